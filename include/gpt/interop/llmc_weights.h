// The weights of llm.c: gpt2_124M.bin, gpt2_124M_bf16.bin, model_00019552.bin.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "gpt/formats/llmc_model.h"
#include "gpt/interop/weight_source.h"

namespace gpt {

class LlmcWeights : public WeightSource {
 public:
  // InputError. Rows that only pad the vocabulary are left out: they are zeros, which llm.c never
  // draws and which would win over GPT-2's logits, all far below zero.
  explicit LlmcWeights(const std::filesystem::path& path);

  const ModelShape& shape() const override { return shape_; }
  at::Tensor weight(const std::string& name) const override;
  std::string origin() const override { return path_.string(); }

 private:
  std::filesystem::path path_;
  LlmcModel file_;
  ModelShape shape_;
  std::map<std::string, const TensorView*> tensors_;
};

}  // namespace gpt
