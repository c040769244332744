// The random numbers of initial weights, without those that later ones replace: nanoGPT draws most
// weights two or three times and the tied one four times.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/Tensor.h>

namespace gpt {

// Calls stand in the order of the draws that they are for. The generator is a CPU's and moves on
// with each call.
class InitialDraws {
 public:
  explicit InitialDraws(at::Generator& generator) : generator_(generator) {}

  // tensor.uniform_() and tensor.normal_() for `count` float32 values that nobody needs.
  void skip_uniform(std::int64_t count);
  void skip_normal(std::int64_t count);
  // weight.normal_(0, std), bit for bit, once draw() is done. float32, contiguous; of the meta
  // device: skip_normal.
  void normal(const at::Tensor& weight, double std);

  // Draws on all threads what normal() asked for.
  void draw();

 private:
  // A part of a weight and the generator's engine where its numbers begin.
  struct Piece {
    at::Tensor weight_N;
    double std;
    at::mt19937 engine;
  };

  at::Generator& generator_;
  std::vector<Piece> pieces_;
};

}  // namespace gpt
