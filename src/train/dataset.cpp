#include "gpt/train/dataset.h"

#include <sstream>
#include <string_view>
#include <vector>

#include "gpt/base/checksum.h"
#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/glob.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/dataprep/dataset_meta.h"

namespace gpt {

namespace {

bool from_weights(const std::string& init_from) {
  return init_from != "scratch" && init_from != "resume";
}

std::int64_t settle_vocabulary(const TrainConfig& config, const std::optional<DatasetMeta>& meta) {
  if (!meta) return config.model.vocab_size.or_else(kGpt2PaddedVocabulary);
  const std::int64_t size = config.model.vocab_size.or_else(meta->vocab_size);
  if (size < meta->vocab_size)
    throw InputError(concat("vocab_size: expected at least ", meta->vocab_size,
                            ", the vocabulary of ", meta->origin.string(), ", got ", size,
                            from_weights(config.io.init_from)
                                ? ", that of init_from's model; take the dataset that it was "
                                  "trained with, or one prepared with its vocabulary"
                                : ""));
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

// `size`: the tokens of `files`, which are what meta.json is of if it lies next to them: a list of
// shards is not.
void check_against_meta(const std::vector<fs::path>& files, const char* name, std::int64_t size,
                        const DatasetMeta& meta, bool checksums) {
  if (files.size() != 1 || files.front() != meta.origin.parent_path() / name) return;
  const bool train = std::string_view(name) == "train.bin";
  const std::int64_t tokens = train ? meta.train_tokens : meta.val_tokens;
  const std::string& wanted = train ? meta.train_crc32c : meta.val_crc32c;
  const std::string file = files.front().string(), origin = meta.origin.string();
  const char* remedy =
      "; it is a copy that broke off, or another dataset's: copy the dataset again, or make it "
      "again with gpttrain prepare --force";
  if (tokens > 0 && tokens != size)
    throw InputError(
        concat(file, ": has ", size, " tokens, but ", origin, " says ", tokens, remedy));
  if (!checksums) return;
  if (wanted.empty()) {
    log_warning(concat(file, ": its contents cannot be verified: ", origin,
                       " holds no checksum of it; gpttrain prepare writes one"));
    return;
  }
  const std::string found = hex32(crc32c_of_file(files.front()));
  if (found != wanted)
    throw InputError(
        concat(file, ": its checksum is ", found, ", but ", origin, " says ", wanted, remedy));
  log_info(concat(file, ": ", size, " tokens, as ", origin, " says, checksum ", found));
}

// Where there is no meta.json of ours (nanoGPT's folders), there is nothing to compare with.
void check_against_meta(const SplitFiles& files, const Dataset& dataset,
                        const std::optional<DatasetMeta>& meta, bool checksums) {
  if (!meta || meta->origin.extension() != ".json") {
    if (checksums)
      log_warning(concat(files.train.front().string(),
                         ": its contents cannot be verified: there is no meta.json next to it; "
                         "gpttrain prepare writes one"));
    return;
  }
  check_against_meta(files.train, "train.bin", dataset.train.size(), *meta, checksums);
  check_against_meta(files.val, "val.bin", dataset.val.size(), *meta, checksums);
}

}  // namespace

Dataset open_dataset(const TrainConfig& config) {
  const SplitFiles files = split_files(config.data);
  const auto meta = read_dataset_meta(files.train.front().parent_path());
  const std::int64_t vocab_size = settle_vocabulary(config, meta);
  const std::int64_t block = config.data.block_size;
  const TokenWidth width = meta && meta->token_bytes == 4 ? TokenWidth::k32 : TokenWidth::k16;
  Dataset dataset{.train = TokenFile(files.train, block, vocab_size, width),
                  .val = TokenFile(files.val, block, vocab_size, width),
                  .vocab_size = vocab_size,
                  .vocabulary_json = meta ? meta->json : std::string()};
  check_against_meta(files, dataset, meta, config.data.verify_data);
  return dataset;
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
