// A Hugging Face folder of a GPT2LMHeadModel: config.json beside model.safetensors, or beside
// model.safetensors.index.json and its shards.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "gpt/exchange/weight_source.h"

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

  std::filesystem::path folder_;
  ModelShape shape_;
  std::vector<SafetensorsFile> files_;
  std::map<std::string, const TensorView*> tensors_;  // by our names
};

// Is it a weight that Hugging Face keeps as Conv1D, transposed?
bool is_conv1d(const std::string& name);

}  // namespace gpt
