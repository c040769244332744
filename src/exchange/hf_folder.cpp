#include "gpt/exchange/hf_folder.h"

#include <set>
#include <utility>

#include <ATen/ATen.h>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"

#include "gpt2_names.h"
#include "hf_config.h"

namespace gpt {

namespace {

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr std::string_view kPrefix = "transformer.";

}  // namespace

bool is_conv1d(const std::string& name) {
  for (const char* part :
       {".attn.c_attn.weight", ".attn.c_proj.weight", ".mlp.c_fc.weight", ".mlp.c_proj.weight"})
    if (name.ends_with(part)) return true;
  return false;
}

HfFolder::HfFolder(const std::filesystem::path& folder) : folder_(folder) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored))
    throw InputError(folder.string() + ": no such folder; expected a Hugging Face GPT-2 model");
  shape_ = read_hf_config(folder / "config.json");
  open_files();
  index_tensors();
}

void HfFolder::open_files() {
  std::error_code ignored;
  if (fs::exists(folder_ / kSingle, ignored)) {
    files_.emplace_back(folder_ / kSingle);
  } else if (fs::exists(folder_ / kIndex, ignored)) {
    for (const std::string& shard : read_hf_index(folder_ / kIndex))
      files_.emplace_back(folder_ / shard);
  } else {
    const bool pickled = fs::exists(folder_ / "pytorch_model.bin", ignored);
    throw InputError(concat(
        folder_.string(), ": has neither ", kSingle, " nor ", kIndex,
        pickled ? "; pytorch_model.bin is not read: load it with transformers and save_pretrained "
                  "it again"
                : "; expected a Hugging Face GPT-2 model"));
  }
}

void HfFolder::index_tensors() {
  std::map<std::string, const TensorView*> given;
  for (const SafetensorsFile& file : files_)
    for (const TensorView& tensor : file.tensors()) {
      std::string name = tensor.name;
      if (name != kHead && !name.starts_with(kPrefix)) name.insert(0, kPrefix);
      if (is_mask(name)) continue;
      if (!given.emplace(name, &tensor).second)
        throw InputError(folder_.string() + ": tensor " + quoted_name(tensor.name) +
                         " comes twice, with and without its prefix or in two shards");
    }
  for (const ParameterShape& parameter : parameter_shapes(shape_)) {
    const auto found = given.find(parameter.name);
    if (found == given.end())
      throw InputError(folder_.string() + ": tensor " + parameter.name +
                       " is missing; expected all of GPT2LMHeadModel's");
    std::vector<std::int64_t> expected = parameter.shape;
    if (is_conv1d(parameter.name)) std::swap(expected[0], expected[1]);
    if (found->second->shape != expected)
      throw InputError(concat(folder_.string(), ": tensor ", found->second->name, " is ",
                              shape_text(found->second->shape), ", config.json asks for ",
                              shape_text(expected)));
    tensors_[parameter.name] = found->second;
    given.erase(found);
  }
  if (const auto head = given.find(kHead); head != given.end()) {
    tensors_[kHead] = head->second;
    if (!at::equal(stored(kHead), stored("transformer.wte.weight")))
      throw InputError(folder_.string() + ": " + kHead +
                       " is not the token embedding; this program's head is tied to it");
    given.erase(head);
  }
  if (!given.empty())
    throw InputError(folder_.string() + ": tensor " + quoted_name(given.begin()->second->name) +
                     " is not one of GPT2LMHeadModel's");
}

std::filesystem::path HfFolder::tokenizer_folder() const {
  std::error_code ignored;
  for (const char* name : {"tokenizer.json", "merges.txt", "vocab.bpe"})
    if (fs::exists(folder_ / name, ignored)) return folder_;
  return {};
}

at::Tensor HfFolder::stored(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end())
    throw InputError(folder_.string() + ": no tensor " + quoted_name(name));
  return float_tensor(*found->second, folder_.string() + ": tensor " + found->second->name);
}

at::Tensor HfFolder::weight(const std::string& name) const {
  const at::Tensor tensor = stored(name);
  return is_conv1d(name) ? tensor.t().contiguous() : tensor;
}

}  // namespace gpt
