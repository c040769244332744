// A Hugging Face folder of a GPT2LMHeadModel: config.json next to model.safetensors or, from older
// programs, pytorch_model.bin; either whole, or shards and the .index.json that lists them.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "gpt/interop/gpt2_tensors.h"
#include "gpt/interop/weight_source.h"

namespace gpt {

class HfFolder : public WeightSource {
 public:
  // Checks config.json, every file's structure, and that each parameter is there with its shape;
  // lm_head must be the token embedding or absent. Where there is no config.json, the shape is that
  // of the tensors, and `hints` say what they do not. InputError, also for what this program's
  // GPT-2 cannot compute.
  explicit HfFolder(const std::filesystem::path& folder, const SourceHints& hints = {});
  HfFolder(const HfFolder&) = delete;

  const ModelShape& shape() const override { return shape_; }
  // Conv1D weights, [in, out] in the file, come as [out, in].
  at::Tensor weight(const std::string& name) const override { return tensors_->weight(name); }
  std::string origin() const override { return folder_.string(); }
  std::filesystem::path tokenizer_folder() const override;

 private:
  std::filesystem::path folder_;
  std::unique_ptr<Gpt2Tensors> tensors_;
  ModelShape shape_;
};

// One file of weights with nothing next to it that says more of them.
class WeightsFile : public WeightSource {
 public:
  explicit WeightsFile(const std::filesystem::path& path, const SourceHints& hints = {});
  WeightsFile(const WeightsFile&) = delete;
  const ModelShape& shape() const override { return shape_; }
  at::Tensor weight(const std::string& name) const override { return tensors_->weight(name); }
  std::string origin() const override { return path_.string(); }

 private:
  std::filesystem::path path_;
  std::unique_ptr<Gpt2Tensors> tensors_;
  ModelShape shape_;
};

// The file in `folder` that holds the weights or lists the files that do: safetensors if both
// kinds are there. Empty if there is none.
std::filesystem::path hf_weights_file(const std::filesystem::path& folder);

}  // namespace gpt
