// When a run's time is over: max_minutes, or the end of the batch job that it runs in.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace gpt {

class TimeLimit {
 public:
  // Seconds: since some point in the past, and since 1970.
  struct Clocks {
    std::function<double()> steady, wall;
  };

  // Counts from now. `minutes`: 0 is no limit. `job_end`: SLURM_JOB_END_TIME's text, seconds since
  // 1970, or null; what is no number of the future is passed over with a warning.
  TimeLimit(double minutes, const char* job_end);
  TimeLimit(double minutes, const char* job_end, Clocks clocks);

  // Of what comes between a stop and the end of the process, of a step and of a save: the longest
  // counts.
  void took(double seconds);

  // Counts the time from its making to its end.
  class Timed {
   public:
    explicit Timed(TimeLimit& limit) : limit_(limit), begun_(limit.clocks_.steady()) {}
    ~Timed() { limit_.took(limit_.clocks_.steady() - begun_); }
    Timed(const Timed&) = delete;
    Timed& operator=(const Timed&) = delete;

   private:
    TimeLimit& limit_;
    double begun_;
  };

  // Why the run has to stop now: kMaxMinutes, kJobEnd, or 0. Of a job's time, what a stop takes is
  // left over: twice the longest of took() and a minute, at most a tenth of what there was.
  int due() const;

  // No signals have these numbers.
  static constexpr int kMaxMinutes = 1000, kJobEnd = 1001;
  // "max_minutes", "SLURM_JOB_END_TIME"; "" for other numbers.
  static const char* name(int number);

 private:
  Clocks clocks_;
  std::optional<double> stop_at_, job_end_;  // by the steady and by the wall clock
  double most_spare_ = 0, longest_ = 0;
};

}  // namespace gpt
