// What a person at a terminal sees: a progress line, and text made safe to show.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace gpt {

// False for pipes, TERM=dumb and an empty TERM.
bool stderr_is_terminal();

// A single progress line on stderr with ETA, redrawn at most 10 times a second and cut to the
// terminal's width; where stderr is no terminal it shows nothing. log_* and print_* lift it out of
// the way. One at a time; not thread-safe against itself.
class ProgressLine {
 public:
  // `total` in any unit; <= 0 means unknown (no ETA, no bar).
  ProgressLine(std::string title, double total);
  ~ProgressLine();  // removes the line
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // `done` in the same unit as total, counted from the start of this run of work; `note` is shown
  // at the end, e.g. "loss 1.7025  22k tok/s".
  void update(double done, std::string_view note = {});

  // The line as it would be drawn `seconds` after the start, cut to fit `width` columns.
  std::string render(double done, double seconds, std::string_view note, std::size_t width) const;

 private:
  std::string title_;
  double total_;
  double first_done_ = -1;  // ETA ignores what was done before the first update (a resumed run)
  std::chrono::steady_clock::time_point start_, drawn_;
};

// No progress line is shown from here on.
void hide_progress();

// Lifts the progress line while something else is printed; used by the log.
void erase_progress_line();

// Makes text safe to print, for names and model output could else move the cursor, set a title or
// hide what they are: C0 and C1 controls other than \n and \t, DEL, overrides of the direction of
// text and invalid UTF-8 become visible, \u001b and \xff. All that log.h prints went through here.
std::string terminal_safe(std::string_view utf8);
std::string terminal_safe_line(std::string_view utf8);  // \n too

// A name from a file as it may stand in a message: in quotes, one line, no control characters, cut
// at 100 bytes.
std::string quoted_name(std::string_view name);

// Well-formed UTF-8 (Unicode 15, table 3-7)?
bool is_utf8(std::string_view text);

}  // namespace gpt
