#include "gpt/base/terminal.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utility>

#include "gpt/base/drawing.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

bool hidden = false;  // progress lines

using Clock = std::chrono::steady_clock;

bool capable(int descriptor) {
  const char* term = std::getenv("TERM");
  return isatty(descriptor) && term && *term && std::string_view(term) != "dumb";
}

std::size_t terminal_width() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

std::atomic<bool> line_is_shown = false;  // threads write lines, too

// Length of the well-formed UTF-8 sequence at the start of `text`, 0 if there is none
// (Unicode 15, table 3-7).
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i)
    if ((byte(i) & 0xC0) != 0x80) return 0;
  return length;
}

std::uint32_t code_point(std::string_view sequence) {
  const auto lead = static_cast<unsigned char>(sequence[0]);
  if (sequence.size() == 1) return lead;
  std::uint32_t value = lead & (0x7Fu >> sequence.size());
  for (const char next : sequence.substr(1)) value = value << 6 | (next & 0x3F);
  return value;
}

// What a terminal obeys instead of showing it: C0, DEL, C1 (which it takes from UTF-8 as well), and
// the orders to turn the direction of text around, by which one name can look like another.
bool is_control(std::uint32_t point) {
  return point < 0x20 || (point >= 0x7F && point < 0xA0) || (point >= 0x202A && point <= 0x202E) ||
         (point >= 0x2066 && point <= 0x2069);
}

// Of a character as JSON has it, so that JSON which is printed stays the same JSON.
std::string escaped(std::string_view sequence, bool well_formed) {
  if (!well_formed) return format("\\x%02x", static_cast<unsigned char>(sequence[0]));
  return format("\\u%04x", code_point(sequence));
}

std::string without_controls(std::string_view utf8, std::string_view allowed) {
  std::string safe;
  while (!utf8.empty()) {
    const std::size_t length = sequence_length(utf8);
    const std::string_view sequence = utf8.substr(0, std::max<std::size_t>(length, 1));
    const bool shown =
        length > 0 && (!is_control(code_point(sequence)) || allowed.find(sequence) != allowed.npos);
    if (shown)
      safe += sequence;
    else
      safe += escaped(sequence, length > 0);
    utf8.remove_prefix(sequence.size());
  }
  return safe;
}

}  // namespace

void hide_progress() {
  hidden = true;
}

bool stderr_is_terminal() {
  return capable(STDERR_FILENO);
}

bool stdout_is_terminal() {
  return capable(STDOUT_FILENO);
}

void erase_progress_line() {
  if (!line_is_shown.exchange(false)) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
}

ProgressLine::ProgressLine(std::string title, double total)
    : title_(terminal_safe_line(title)), total_(total), start_(), drawn_() {}

ProgressLine::~ProgressLine() {
  erase_progress_line();
}

std::string ProgressLine::render(double done, double seconds, std::string_view note,
                                 std::size_t width) const {
  const std::string words = note.empty() ? "" : "  " + terminal_safe_line(note);
  std::string line = title_ + " ";
  if (total_ > 0) {
    const double share = std::clamp(done / total_, 0.0, 1.0);
    std::string figures = format(" %5.1f%%", 100 * share);
    const double here = done - std::max(first_done_, 0.0);
    if (here > 0 && seconds > 0.5)
      figures += "  " + human_seconds(seconds / here * std::max(0.0, total_ - done)) + " left";
    // The figures say more than the bar, which gives way to them.
    constexpr std::size_t kFewest = 5, kMost = 20;
    const std::size_t others = line.size() + 2 + figures.size() + words.size() + 1;
    const std::size_t cells = std::clamp(width > others ? width - others : 0, kFewest, kMost);
    const auto full = static_cast<std::size_t>(share * static_cast<double>(cells));
    line += "[" + std::string(full, '#') + std::string(cells - full, '.') + "]" + figures;
  } else {
    line += human_seconds(seconds);
  }
  line += words;
  if (line.size() >= width) {
    std::size_t end = width > 0 ? width - 1 : 0;
    while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xC0) == 0x80) --end;
    line.resize(end);
  }
  return line;
}

void ProgressLine::update(double done, std::string_view note) {
  const auto now = Clock::now();
  if (first_done_ < 0) {
    first_done_ = done;
    start_ = now;
  }
  if (hidden || !stderr_is_terminal() || now - drawn_ < std::chrono::milliseconds(100)) return;
  drawn_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const std::string line = render(done, seconds, note, terminal_width());
  std::fprintf(stderr, "\r%s\033[K", line.c_str());
  std::fflush(stderr);
  line_is_shown = true;
}

std::string terminal_safe(std::string_view utf8) {
  return without_controls(utf8, "\n\t");
}

std::string terminal_safe_line(std::string_view utf8) {
  return without_controls(utf8, "\t");
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string quoted_name(std::string_view name) {
  std::size_t length = std::min<std::size_t>(name.size(), 100);
  while (length > 97 && length < name.size() &&
         (static_cast<unsigned char>(name[length]) & 0xC0) == 0x80)
    --length;  // not within a character
  std::string text = terminal_safe(name.substr(0, length));
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return "'" + text + (length < name.size() ? "...'" : "'");
}

}  // namespace gpt
