// Speed of the loop: time per iteration, tokens per second, model FLOPs utilisation.
#pragma once

#include <chrono>
#include <cstdint>

namespace gpt {

class Throughput {
 public:
  // flops_per_token: forward and backward; peak: the device's FLOP/s as far as known. A step that
  // beats it raises it: a GEMM can be measured on a busy machine, and half of attention's scores,
  // which the FLOPs count, are never computed.
  Throughput(double flops_per_token, double tokens_per_iteration, double peak)
      : flops_per_token_(flops_per_token), tokens_(tokens_per_iteration), peak_(peak) {}

  // Around each step, so that evaluations and checkpoints do not count. A step that is started
  // while another is under way counts from that one's end.
  void start_step() { started_ = std::chrono::steady_clock::now(); }
  void end_step();

  struct Reading {
    double milliseconds = 0;       // of the last step
    double tokens_per_second = 0;  // since the last reading
    double mfu = 0;                // 0..1, smoothed as nanoGPT does; 0 in the first five steps
  };
  // At each printed line.
  Reading read();

  // Of the last few steps; 0 before the first.
  double recent_seconds() const { return recent_; }
  double recent_tokens_per_second() const { return recent_ > 0 ? tokens_ / recent_ : 0; }

 private:
  double flops_per_token_, tokens_, peak_;
  std::chrono::steady_clock::time_point started_;
  double last_ = 0, since_reading_ = 0, mfu_ = 0, recent_ = 0;
  std::int64_t steps_ = 0, steps_since_reading_ = 0;
};

}  // namespace gpt
