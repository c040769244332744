// Initial weights: nanoGPT's numbers in nanoGPT's order, without those that later ones replace. It
// draws most weights two or three times and the tied one four times.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/Tensor.h>

#include "gpt/model/parameter.h"
#include "gpt/model/parameter_table.h"

namespace gpt {

// Sets the weights of GEMMs and embeddings: normal with a standard deviation of 0.02, and for the
// projections 0.02 / sqrt(2 n_layer) (Radford et al. 2019, section 2.3). Biases and LayerNorms stay
// as they are. The same seed gives nanoGPT's weights bit for bit.
void init_weights(const ParameterList& parameters, const std::vector<ParameterShape>& table,
                  std::int64_t n_layer, at::Generator& generator);

// Leaves the generator as init_weights() does, in a fraction of its time: nanoGPT's sample.py draws
// weights before it loads others over them.
void skip_init(at::Generator& generator, const ModelShape& shape);

// Calls stand in the order of the draws that they are for. The generator is a CPU's and advances
// with each call.
class WeightInit {
 public:
  explicit WeightInit(at::Generator& generator) : generator_(generator) {}

  // tensor.uniform_() and tensor.normal_() for `count` float32 values that nobody needs.
  void skip_uniform(std::int64_t count);
  void skip_normal(std::int64_t count);
  // weight.normal_(0, std), bit for bit, once draw() is done. float32, contiguous.
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
