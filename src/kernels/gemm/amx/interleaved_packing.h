// What goes on between the instructions that multiply tiles. These take 16 cycles each in a unit of
// their own; the rest of the core is free meanwhile, for work that comes in small pieces. Measured:
// up to some hundred instructions after every fourth product of tiles cost nothing; a few times as
// many in one piece cost their full time, since they fill the window in which the core looks ahead.
#pragma once

#include "panel_packing.h"

namespace gpt {
namespace GPT_ISA {
namespace {

// Lines of memory to be asked for.
class LineFetch {
 public:
  LineFetch() = default;
  LineFetch(const void* data, int64_t rows, int64_t stride_bytes, int64_t row_bytes)
      : at_(static_cast<const char*>(data)),
        stride_(stride_bytes),
        rows_(rows),
        lines_(pieces_of(row_bytes, 64)) {}

  int64_t left() const { return rows_ * lines_ - line_; }
  void do_next() {
    if (rows_ == 0) return;
    __builtin_prefetch(at_ + 64 * line_, 0, 2);
    if (++line_ < lines_) return;
    line_ = 0;
    at_ += stride_;
    --rows_;
  }

 private:
  const char* at_ = nullptr;
  int64_t stride_ = 0, rows_ = 0, lines_ = 0, line_ = 0;
};

// Work in equal pieces, spread evenly over a number of turns, after which all of it is done.
template <class Work>
class Spread {
 public:
  Spread() = default;
  Spread(const Work& work, int64_t turns)
      : work_(work), step_(((work.left() << kBits) + turns - 1) / turns) {}

  void turn() {
    for (debt_ += step_; debt_ >= kOne; debt_ -= kOne) work_.do_next();
  }
  Work& work() { return work_; }

 private:
  static constexpr int kBits = 20;
  static constexpr int64_t kOne = int64_t{1} << kBits;
  Work work_;
  int64_t step_ = 0, debt_ = 0;
};

// The panels that are packed, and what is asked for: the sides' next panels and the result's lines.
struct Beside {
  Spread<PanelPacking> left, right;
  Spread<LineFetch> left_lines, right_lines, result_lines;

  void operator()() {
    asm volatile("" ::: "memory");  // this is to happen here
    left.turn();
    right.turn();
    left_lines.turn();
    right_lines.turn();
    result_lines.turn();
    asm volatile("" ::: "memory");
  }
};

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
