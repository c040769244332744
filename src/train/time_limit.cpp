#include "gpt/train/time_limit.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <string_view>
#include <utility>

#include "gpt/base/log.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

template <class Clock>
double seconds_of() {
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

std::optional<double> whole_number(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return static_cast<double>(number);
}

}  // namespace

TimeLimit::TimeLimit(double minutes, const char* job_end)
    : TimeLimit(minutes, job_end,
                {seconds_of<std::chrono::steady_clock>, seconds_of<std::chrono::system_clock>}) {}

TimeLimit::TimeLimit(double minutes, const char* job_end, Clocks clocks)
    : clocks_(std::move(clocks)) {
  if (minutes > 0) stop_at_ = clocks_.steady() + 60 * minutes;
  if (!job_end || !*job_end) return;
  const std::optional<double> end = whole_number(job_end);
  const double now = clocks_.wall();
  constexpr double kTenYears = 10 * 365.25 * 86400;
  if (!end || *end <= now || *end > now + kTenYears) {
    log_warning(concat("SLURM_JOB_END_TIME=", job_end,
                       " is no time to come in seconds since 1970; the run does not stop for it"));
    return;
  }
  job_end_ = *end;
  most_spare_ = (*job_end_ - now) / 10;
  log_info(concat("the job's time is over in ", human_seconds(*job_end_ - now),
                  " (SLURM_JOB_END_TIME); the run saves and stops before that"));
}

void TimeLimit::took(double seconds) {
  longest_ = std::max(longest_, seconds);
}

int TimeLimit::due() const {
  constexpr double kMinute = 60;
  if (stop_at_ && clocks_.steady() >= *stop_at_) return kMaxMinutes;
  const double spare = std::min(most_spare_, 2 * longest_ + kMinute);
  if (job_end_ && clocks_.wall() >= *job_end_ - spare) return kJobEnd;
  return 0;
}

const char* TimeLimit::name(int number) {
  return number == kMaxMinutes ? "max_minutes" : number == kJobEnd ? "SLURM_JOB_END_TIME" : "";
}

}  // namespace gpt
