// The model's parameters as the tensor engine sees them: masters, copies in the type of the
// matmuls, and gradients that stay in one place.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "gpt/model/gpt.h"

namespace gpt {

struct TensorWeight {
  at::Tensor master;    // undefined where the model has none (biases)
  at::Tensor copy;      // of the type of the matmuls; the master itself if that is its type
  at::Tensor gradient;  // the master's .grad() of this step
};

// Of a LayerNorm or a linear layer.
struct TensorAffine {
  TensorWeight weight, bias;
};
using TensorNorm = TensorAffine;
using TensorLinear = TensorAffine;
struct TensorBlockWeights {
  TensorNorm ln_1;
  TensorLinear c_attn, c_attn_proj;
  TensorNorm ln_2;
  TensorLinear c_fc, c_mlp_proj;
};

class TensorWeights {
 public:
  // `from_host`: the blocks' matrices are in the host's memory (Gpt::to); their copies
  // are made through a buffer on the device.
  TensorWeights(const Gpt& model, at::ScalarType type, bool from_host);

  TensorWeight wte, wpe;

  // wte's copy as the head multiplies with it: of half types padded with rows of zeros, so that a
  // vocabulary of any size is aligned.
  at::Tensor head_copy() const { return head_copy_; }
  // Its gradient with as many rows, where they are this object's memory; else wte's.
  at::Tensor head_gradient() const;

  std::vector<TensorBlockWeights> h;
  TensorNorm ln_f;

  // Copies are made again before their next use. Allocates nothing.
  void masters_changed() { stale_ = true; }
  void refresh_copies();

  // Every parameter gets a zeroed .grad() where it has none, always the same memory, and `gradient`
  // everywhere is what .grad() is.
  void take_gradients();
  // Do all gradients lie in this object's memory, as a captured graph needs it?
  bool owns_gradients() const;
  // One if they do, else all of them.
  std::vector<at::Tensor> gradient_buffers() const;

  // The same memory in parts of some MiB, in the order in which the backward pass completes them:
  // from the last block to the embeddings.
  struct Part {
    at::Tensor flat;
    std::int64_t layer;  // complete when that of this block is; -1: of the embeddings
  };
  std::vector<Part> gradient_parts() const;

  // Gives back what can be made again: copies, and gradients that nobody holds.
  void release();

 private:
  std::int64_t head_rows() const;
  bool through_buffer(std::size_t i) const;
  void copy_from_host();

  std::vector<TensorWeight*> all_;  // in the order of the parameter table
  std::vector<ParameterShape> table_;
  ParameterList parameters_;
  at::ScalarType type_;
  bool from_host_;
  bool stale_ = true;
  at::Tensor head_copy_;
  at::Tensor flat_;                 // all gradients, end to end
  std::vector<at::Tensor> slices_;  // of flat_, one per parameter
};

}  // namespace gpt
