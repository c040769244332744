#include "gpt/interop/pretrained.h"

#include <algorithm>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/base/user_folders.h"
#include "gpt/interop/hf_folder.h"
#include "gpt/interop/llmc_weights.h"
#include "gpt/interop/torch_checkpoint.h"

namespace gpt {

namespace {

struct Facts {
  std::int64_t layers;
  const char* size;  // of model.safetensors
};

const std::map<std::string, Facts>& known_models() {
  static const std::map<std::string, Facts> kModels = {{"gpt2", {12, "0.5 GB"}},
                                                       {"gpt2-medium", {24, "1.5 GB"}},
                                                       {"gpt2-large", {36, "3.2 GB"}},
                                                       {"gpt2-xl", {48, "6.4 GB"}}};
  return kModels;
}

bool holds_model(const fs::path& folder) {
  return file_exists(folder / "config.json") && !hf_weights_file(folder).empty();
}

std::optional<fs::path> hub_cache() {
  if (const auto hub = absolute_path_in("HF_HUB_CACHE")) return hub;
  if (const auto home = absolute_path_in("HF_HOME")) return *home / "hub";
  if (const auto cache = user_cache_folder()) return *cache / "huggingface" / "hub";
  return std::nullopt;
}

std::string hub_cache_text() {
  if (const auto cache = hub_cache()) return cache->string();
  return "no Hugging Face cache, as none of HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME and HOME is set "
         "to an absolute path";
}

// models--OWNER--NAME/{refs/main, snapshots/REVISION/...}: the revision that main names, else any.
std::optional<fs::path> cached_model(const fs::path& model) {
  std::error_code error;
  if (file_exists(model / "refs/main")) {
    std::string revision = read_small_file(model / "refs/main", 4096, "the name of a revision");
    while (!revision.empty() && std::isspace(static_cast<unsigned char>(revision.back())))
      revision.pop_back();
    if (fs::path(revision).filename() == revision && holds_model(model / "snapshots" / revision))
      return model / "snapshots" / revision;
  }
  std::vector<fs::path> snapshots;
  for (fs::directory_iterator entry(model / "snapshots", error), end; !error && entry != end;
       entry.increment(error))
    if (holds_model(entry->path())) snapshots.push_back(entry->path());
  std::sort(snapshots.begin(), snapshots.end());
  if (snapshots.empty()) return std::nullopt;
  return snapshots.back();
}

// Safetensors begin with the length of a JSON object, and that.
bool is_safetensors(std::span<const std::byte> bytes) {
  constexpr std::size_t kLength = 8;
  return bytes.size() > kLength && bytes[kLength] == std::byte{'{'} &&
         bytes[kLength - 1] == std::byte{0};
}

// A file by what it begins with. Of a Hugging Face model's weights the config.json next to them
// says more than they do.
std::unique_ptr<WeightSource> open_file(const fs::path& path, const SourceHints& hints) {
  const std::string name = path.filename().string();
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const bool part = name.starts_with("model-") || name.starts_with("pytorch_model-") ||
                    name.ends_with(".index.json");
  const bool named = path.filename() == hf_weights_file(folder).filename() || part;
  if (named && file_exists(folder / "config.json"))
    return std::make_unique<HfFolder>(folder, hints);
  const MappedFile file(path);
  if (is_llmc(file.bytes())) return std::make_unique<LlmcWeights>(path);
  if (is_safetensors(file.bytes())) return std::make_unique<WeightsFile>(path, hints);
  return std::make_unique<TorchCheckpoint>(path, hints);
}

// llm.c's file of the last step; empty if there is none.
fs::path newest_llmc_model(const fs::path& folder) {
  fs::path newest;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with("model_") && name.ends_with(".bin") && name > newest.filename().string())
      newest = entry->path();
  }
  return newest;
}

std::unique_ptr<WeightSource> open_folder(const fs::path& folder, const SourceHints& hints) {
  if (!hf_weights_file(folder).empty()) return std::make_unique<HfFolder>(folder, hints);
  for (const fs::path& file : {folder / "ckpt.pt", newest_llmc_model(folder)})
    if (file.has_filename() && file_exists(file)) {
      log_info(folder.string() + ": its weights are read from " + file.filename().string());
      return open_file(file, hints);
    }
  return std::make_unique<HfFolder>(folder, hints);  // which says what is missing
}

[[noreturn]] void say_what_to_do(const std::string& name, const std::string& pretrained_dir) {
  const std::string folder = pretrained_dir.empty() ? "pretrained" : pretrained_dir;
  throw InputError(concat(
      "init_from=", name, ": no local copy of its weights (looked in ",
      pretrained_dir.empty() ? "" : pretrained_dir + "/" + name + ", " + pretrained_dir + " and ",
      hub_cache_text(), "); download config.json and model.safetensors (",
      known_models().at(name).size, ") of the Hugging Face model openai-community/", name, " into ",
      folder, "/", name, "/ (`hf download openai-community/", name,
      " config.json model.safetensors --local-dir ", folder, "/", name,
      "`) and start again with --pretrained_dir=", folder));
}

}  // namespace

bool is_pretrained_name(const std::string& init_from) {
  return known_models().contains(init_from);
}

std::filesystem::path find_pretrained(const std::string& name, const std::string& pretrained_dir) {
  if (!pretrained_dir.empty())
    for (const fs::path& folder : {fs::path(pretrained_dir) / name, fs::path(pretrained_dir)})
      if (holds_model(folder)) return folder;
  if (const auto cache = hub_cache())
    for (const char* owner : {"models--openai-community--", "models--"})
      if (const auto found = cached_model(*cache / (owner + name))) return *found;
  say_what_to_do(name, pretrained_dir);
}

std::unique_ptr<WeightSource> open_weights(const std::string& init_from,
                                           const std::string& pretrained_dir,
                                           const SourceHints& hints) {
  if (is_pretrained_name(init_from)) {
    auto source = std::make_unique<HfFolder>(find_pretrained(init_from, pretrained_dir));
    const std::int64_t layers = source->shape().config.n_layer;
    if (layers != known_models().at(init_from).layers)
      throw InputError(concat("init_from=", init_from, ": ", source->origin(), " has ", layers,
                              " layers, ", init_from, " has ", known_models().at(init_from).layers,
                              "; check --pretrained_dir"));
    return source;
  }
  std::error_code ignored;
  if (fs::is_directory(init_from, ignored)) return open_folder(init_from, hints);
  if (file_exists(init_from)) return open_file(init_from, hints);
  throw InputError(
      "init_from=" + init_from +
      ": no such file or folder; expected a run's folder, a checkpoint, a Hugging Face "
      "folder, or a file of PyTorch, safetensors or llm.c");
}

}  // namespace gpt
