#include "gpt/interop/llmc_weights.h"

#include <ATen/ATen.h>

#include "gpt/base/error.h"
#include "gpt/interop/tensor_file.h"

namespace gpt {

LlmcWeights::LlmcWeights(const std::filesystem::path& path) : path_(path), file_(path) {
  shape_.config.n_layer = file_.layers();
  shape_.config.n_head = file_.heads();
  shape_.config.n_embd = file_.width();
  shape_.config.bias = true;
  shape_.config.gelu = "tanh";
  shape_.config.vocab_size.value = shape_.vocab_size = file_.vocabulary();
  shape_.block_size = file_.positions();
  for (const TensorView& tensor : file_.tensors()) tensors_[tensor.name] = &tensor;
}

at::Tensor LlmcWeights::weight(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) throw InputError(origin() + ": no tensor " + name);
  return float_tensor(*found->second, origin() + ": " + name);
}

}  // namespace gpt
