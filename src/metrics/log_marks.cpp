#include "log_marks.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/input_file.h"

namespace gpt {

namespace {

constexpr std::uint64_t kMostOfLog = std::uint64_t{16} << 20;
constexpr std::size_t kLongestMark = 2000;

// At most the last kMostOfLog bytes, from the first whole line on.
std::string end_of(const fs::path& path) {
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path, error);
  if (error) return "";
  InputFile file(path);
  const bool cut = size > kMostOfLog;
  if (cut) file.seek(size - kMostOfLog);
  std::string text(std::min<std::uint64_t>(size, kMostOfLog), '\0');
  std::size_t length = 0;
  while (length < text.size()) {
    const std::size_t got = file.read(text.data() + length, text.size() - length);
    if (got == 0) break;
    length += got;
  }
  text.resize(length);
  if (cut) text.erase(0, text.find('\n') + 1);
  return text;
}

std::int64_t iteration_at(const std::vector<TimedIteration>& times, double time) {
  const auto after = std::upper_bound(
      times.begin(), times.end(), time,
      [](double value, const TimedIteration& entry) { return value < entry.time; });
  if (after == times.end()) return times.empty() ? 0 : times.back().iter;
  return after->iter;
}

bool is_said(const std::vector<RunMark>& marks, std::size_t known, double time,
             std::string_view text) {
  constexpr double kSoon = 5;  // seconds
  return std::any_of(
      marks.begin(), marks.begin() + static_cast<std::ptrdiff_t>(known), [&](const RunMark& mark) {
        const auto colon = mark.text.find(": ");
        const std::string_view said =
            std::string_view(mark.text).substr(colon == std::string::npos ? 0 : colon + 2);
        return std::abs(mark.time - time) < kSoon && said.size() > 10 &&
               text.find(said) != std::string_view::npos;
      });
}

}  // namespace

double log_time(std::string_view line, std::size_t& level_at) {
  const std::string head(line.substr(0, 31));
  std::tm when{};
  int milliseconds = 0, hours = 0, minutes = 0, length = 0;
  char sign = 0;
  if (std::sscanf(head.c_str(), "%4d-%2d-%2d %2d:%2d:%2d.%3d %c%2d:%2d %n", &when.tm_year,
                  &when.tm_mon, &when.tm_mday, &when.tm_hour, &when.tm_min, &when.tm_sec,
                  &milliseconds, &sign, &hours, &minutes, &length) != 10 ||
      length == 0 || (sign != '+' && sign != '-'))
    return 0;
  when.tm_year -= 1900;
  when.tm_mon -= 1;
  level_at = static_cast<std::size_t>(length);
  const double offset = (sign == '-' ? -1.0 : 1.0) * (60.0 * hours + minutes) * 60.0;
  return static_cast<double>(timegm(&when)) + milliseconds / 1e3 - offset;
}

void add_log_marks(std::vector<RunMark>& marks, const std::vector<TimedIteration>& times,
                   const fs::path& log, std::size_t most) {
  std::string text;
  try {
    if (file_exists(log)) text = end_of(log);
  } catch (const InputError&) {
    return;
  }
  const std::size_t known = marks.size();
  for (std::size_t from = 0; from < text.size() && marks.size() < known + most;) {
    const std::size_t to = std::min(text.find('\n', from), text.size());
    const std::string_view line = std::string_view(text).substr(from, to - from);
    from = to + 1;
    std::size_t at = 0;
    const double time = log_time(line, at);
    if (time == 0) continue;
    const std::string_view rest = line.substr(at);
    const bool error = rest.starts_with("error   ");
    if (!error && !rest.starts_with("warning ")) continue;
    const std::string_view said = rest.substr(8);
    if (is_said(marks, known, time, said)) continue;
    if (marks.size() > known && marks.back().text == said) {
      ++marks.back().times;
      continue;
    }
    marks.push_back({iteration_at(times, time), time, error ? "error" : "warning",
                     std::string(said.substr(0, kLongestMark)), 1});
  }
  std::stable_sort(marks.begin(), marks.end(),
                   [](const RunMark& a, const RunMark& b) { return a.time < b.time; });
}

}  // namespace gpt
