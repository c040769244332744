// A Hugging Face folder of a GPT2LMHeadModel: config.json next to model.safetensors or, from older
// programs, pytorch_model.bin; either whole, or shards and the .index.json that lists them.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gpt/interop/tensor_file.h"
#include "gpt/interop/weight_source.h"

namespace gpt {

class HfFolder : public WeightSource {
 public:
  // Checks config.json, every file's structure, and that each parameter is there with its shape.
  // Names may begin with `transformer.` or not; mask buffers are passed over; lm_head must be the
  // token embedding or absent. InputError, also for what this program's GPT-2 cannot compute.
  explicit HfFolder(const std::filesystem::path& folder);

  const ModelShape& shape() const override { return shape_; }
  // Conv1D weights, [in, out] in the file, come as [out, in].
  at::Tensor weight(const std::string& name) const override;
  std::string origin() const override { return folder_.string(); }
  std::filesystem::path tokenizer_folder() const override;

 private:
  void open_files();
  void index_tensors();
  at::Tensor stored(const std::string& name) const;

  struct Place {
    const TensorFile* file;
    std::string name;  // in the file
  };
  std::filesystem::path folder_;
  ModelShape shape_;
  std::vector<std::unique_ptr<TensorFile>> files_;
  std::map<std::string, Place> tensors_;  // by our names
};

// The file in `folder` that holds the weights or lists the files that do: safetensors if both
// kinds are there. Empty if there is none.
std::filesystem::path hf_weights_file(const std::filesystem::path& folder);

// Is it a weight that Hugging Face keeps as Conv1D, transposed?
bool is_conv1d(const std::string& name);

}  // namespace gpt
