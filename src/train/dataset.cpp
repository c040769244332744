#include "gpt/train/dataset.h"

#include <sstream>
#include <vector>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/glob.h"
#include "gpt/base/strings.h"
#include "gpt/corpus/dataset_meta.h"

namespace gpt {

namespace {

constexpr std::int64_t kGpt2Vocabulary = 50304;  // 50257 padded to a multiple of 64, as nanoGPT

std::int64_t settle_vocabulary(const TrainConfig& config, const std::optional<DatasetMeta>& meta) {
  if (!meta) return config.model.vocab_size.or_else(kGpt2Vocabulary);
  const std::int64_t size = config.model.vocab_size.or_else(meta->vocab_size);
  if (size < meta->vocab_size)
    throw InputError(concat("vocab_size: expected at least ", meta->vocab_size,
                            ", the vocabulary of ", meta->origin.string(), ", got ", size));
  return size;
}

// The files that a list of globs with commas between stands for.
std::vector<fs::path> listed_files(const char* key, const std::string& list) {
  std::vector<fs::path> files;
  std::istringstream patterns(list);
  for (std::string pattern; std::getline(patterns, pattern, ',');) {
    const auto found = matching_paths(pattern);
    if (found.empty())
      throw InputError(concat(key, ": no file is called '", pattern,
                              "'; expected a path, or a pattern that fits some"));
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

struct SplitFiles {
  std::vector<fs::path> train, val;
};

SplitFiles split_files(const DataConfig& data) {
  if (data.train_files.empty() != data.val_files.empty())
    throw InputError(concat(data.train_files.empty() ? "train_files" : "val_files",
                            ": is missing; train_files and val_files go together"));
  if (!data.train_files.empty())
    return {listed_files("train_files", data.train_files),
            listed_files("val_files", data.val_files)};
  const fs::path folder = fs::path(data.data_dir) / data.dataset;
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored))
    throw InputError(concat(folder.string(), ": no such dataset folder; make it with `gpttrain ",
                            "prepare --out=", folder.string(),
                            " TEXT...`, or point --data_dir and --dataset at one"));
  return {{folder / "train.bin"}, {folder / "val.bin"}};
}

}  // namespace

Dataset open_dataset(const TrainConfig& config) {
  const SplitFiles files = split_files(config.data);
  const auto meta = read_dataset_meta(files.train.front().parent_path());
  const std::int64_t vocab_size = settle_vocabulary(config, meta);
  const std::int64_t block = config.data.block_size;
  const TokenWidth width = meta && meta->token_bytes == 4 ? TokenWidth::k32 : TokenWidth::k16;
  return {.train = TokenFile(files.train, block, vocab_size, width),
          .val = TokenFile(files.val, block, vocab_size, width),
          .vocab_size = vocab_size,
          .vocabulary_json = meta ? meta->json : std::string()};
}

std::string missing_data(const DataConfig& data) {
  std::error_code ignored;
  if (!data.train_files.empty() || !data.val_files.empty()) {
    for (const std::string& list : {data.train_files, data.val_files}) {
      std::istringstream patterns(list);
      for (std::string pattern; std::getline(patterns, pattern, ',');)
        if (matching_paths(pattern).empty()) return pattern;
    }
    return data.train_files.empty() ? "train_files" : data.val_files.empty() ? "val_files" : "";
  }
  for (const char* name : {"train.bin", "val.bin"})
    if (const fs::path file = fs::path(data.data_dir) / data.dataset / name;
        !fs::exists(file, ignored))
      return file;
  return "";
}

}  // namespace gpt
