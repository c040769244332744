#include "gpt/interop/hf_folder.h"

#include <algorithm>
#include <iterator>
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
constexpr const char* kPickled = "pytorch_model.bin";
constexpr const char* kIndex = ".index.json";
constexpr std::string_view kPrefix = "transformer.";

}  // namespace

bool is_conv1d(const std::string& name) {
  return std::any_of(std::begin(kBlockParameters), std::end(kBlockParameters),
                     [&](const BlockParameter& parameter) {
                       return is_gemm_weight(parameter.role) &&
                              name.ends_with(concat(".", parameter.name));
                     });
}

std::filesystem::path hf_weights_file(const std::filesystem::path& folder) {
  for (const std::string file : {kSingle, kPickled})
    for (const fs::path& name : {folder / file, folder / (file + kIndex)})
      if (file_exists(name)) return name;
  return {};
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
  const fs::path weights = hf_weights_file(folder_);
  if (weights.empty())
    throw InputError(concat(folder_.string(), ": has neither ", kSingle, " nor ", kPickled,
                            ", nor an index (", kSingle, kIndex,
                            ") of either; expected a Hugging Face GPT-2 model"));
  if (!weights.string().ends_with(kIndex)) return files_.push_back(open_tensor_file(weights));
  for (const std::string& shard : read_hf_index(weights))
    files_.push_back(open_tensor_file(folder_ / shard));
}

void HfFolder::index_tensors() {
  std::map<std::string, Place> given;
  for (const auto& file : files_)
    for (const std::string& stored_name : file->names()) {
      std::string name = stored_name;
      if (name != kHead && !name.starts_with(kPrefix)) name.insert(0, kPrefix);
      if (is_mask(name)) continue;
      if (!given.emplace(name, Place{file.get(), stored_name}).second)
        throw InputError(folder_.string() + ": tensor " + quoted_name(stored_name) +
                         " comes twice, with and without its prefix or in two shards");
    }
  for (const ParameterShape& parameter : parameter_table(shape_)) {
    const auto found = given.find(parameter.name);
    if (found == given.end())
      throw InputError(folder_.string() + ": tensor " + parameter.name +
                       " is missing; expected all of GPT2LMHeadModel's");
    std::vector<std::int64_t> expected = parameter.shape;
    if (is_gemm_weight(parameter.role)) std::swap(expected[0], expected[1]);
    const auto& [file, stored_name] = found->second;
    if (const auto shape = file->shape(stored_name); shape != expected)
      throw InputError(concat(folder_.string(), ": tensor ", stored_name, " is ", shape_text(shape),
                              ", config.json says ", shape_text(expected)));
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
    throw InputError(folder_.string() + ": tensor " + quoted_name(given.begin()->second.name) +
                     " is not one of GPT2LMHeadModel's");
}

std::filesystem::path HfFolder::tokenizer_folder() const {
  for (const char* name : {"tokenizer.json", "merges.txt", "vocab.bpe"})
    if (file_exists(folder_ / name)) return folder_;
  return {};
}

at::Tensor HfFolder::stored(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end())
    throw InputError(folder_.string() + ": no tensor " + quoted_name(name));
  return found->second.file->read(found->second.name);
}

at::Tensor HfFolder::weight(const std::string& name) const {
  const at::Tensor tensor = stored(name);
  if (!is_conv1d(name)) return tensor;
  const at::Tensor transposed = tensor.t().contiguous();
  check_source(tensor);
  return transposed;
}

}  // namespace gpt
