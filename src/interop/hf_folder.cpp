#include "gpt/interop/hf_folder.h"

#include <utility>
#include <vector>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/strings.h"

#include "hf_config.h"

namespace gpt {

namespace {

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kPickled = "pytorch_model.bin";
constexpr const char* kIndex = ".index.json";

// What else may be in a folder without weights, and what to do about it.
std::string weights_of_others(const fs::path& folder) {
  for (const char* name : {"adapter_model.safetensors", "adapter_model.bin", "adapter_config.json"})
    if (file_exists(folder / name))
      return concat("; ", name, " is a LoRA adapter, not a whole model: load it with peft, ",
                    "merge_and_unload() it, and save_pretrained() the result");
  for (const char* name : {"tf_model.h5", "flax_model.msgpack", "rust_model.ot"})
    if (file_exists(folder / name))
      return concat("; its weights are in ", name, " only: load it with transformers, and ",
                    "save_pretrained() it");
  return "; expected a Hugging Face GPT-2 model: its config.json and its weights";
}

std::vector<std::unique_ptr<TensorFile>> open_files(const fs::path& folder) {
  const fs::path weights = hf_weights_file(folder);
  if (weights.empty())
    throw InputError(concat(folder.string(), ": has neither ", kSingle, " nor ", kPickled,
                            ", nor an index (", kSingle, kIndex, ") of either",
                            weights_of_others(folder)));
  std::vector<std::unique_ptr<TensorFile>> files;
  if (!weights.string().ends_with(kIndex)) {
    files.push_back(open_tensor_file(weights));
    return files;
  }
  for (const std::string& shard : read_hf_index(weights)) {
    if (!file_exists(folder / shard))
      throw InputError(concat((folder / shard).string(), ": is not there, but ", weights.string(),
                              " says that it holds a part of the weights; download it, too"));
    files.push_back(open_tensor_file(folder / shard));
  }
  return files;
}

// The sizes of the tensors, with what those cannot say.
ModelShape shape_without_config(const Gpt2Tensors& tensors, const SourceHints& hints,
                                const std::string& origin) {
  ModelShape shape = tensors.sizes();
  shape.config.n_head = settled_heads(0, shape.config.n_embd, hints, origin);
  shape.config.gelu = settled_gelu("", tensors.transposed(), hints, origin);
  return shape;
}

}  // namespace

std::filesystem::path hf_weights_file(const std::filesystem::path& folder) {
  for (const std::string file : {kSingle, kPickled})
    for (const fs::path& name : {folder / file, folder / (file + kIndex)})
      if (file_exists(name)) return name;
  return {};
}

HfFolder::HfFolder(const std::filesystem::path& folder, const SourceHints& hints)
    : folder_(folder) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored))
    throw InputError(folder.string() + ": no such folder; expected a Hugging Face GPT-2 model");
  const fs::path file = folder / "config.json";
  const bool config = file_exists(file);
  bool tied = true;
  if (config) shape_ = read_hf_config(file, &tied);
  tensors_ = std::make_unique<Gpt2Tensors>(
      open_files(folder), origin(),
      [this](const std::string& name) { return origin() + ": tensor " + name; });
  if (config) {
    settled_heads(shape_.config.n_head, shape_.config.n_embd, hints, file.string());
  } else {
    shape_ = shape_without_config(*tensors_, hints, origin());
  }
  tensors_->check(shape_, config ? "config.json says" : "expected");
  if (!tied && !tensors_->has_head())
    throw InputError(concat(file.string(), ": tie_word_embeddings is false, but ", origin(),
                            " has no tensor lm_head.weight; save the model with it"));
}

std::filesystem::path HfFolder::tokenizer_folder() const {
  for (const char* name : {"tokenizer.json", "merges.txt", "vocab.bpe"})
    if (file_exists(folder_ / name)) return folder_;
  return {};
}

WeightsFile::WeightsFile(const std::filesystem::path& path, const SourceHints& hints)
    : path_(path) {
  std::vector<std::unique_ptr<TensorFile>> files;
  files.push_back(open_tensor_file(path));
  tensors_ = std::make_unique<Gpt2Tensors>(
      std::move(files), origin(),
      [this](const std::string& name) { return origin() + ": tensor " + name; });
  shape_ = shape_without_config(*tensors_, hints, origin());
  tensors_->check(shape_, "expected");
}

}  // namespace gpt
