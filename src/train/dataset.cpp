#include "gpt/train/dataset.h"

#include <sstream>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "gpt/base/checksum.h"
#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/glob.h"
#include "gpt/base/json.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/dataprep/dataset_meta.h"

namespace gpt {

namespace {

// The dataset's, whose size a vocab_size in the config overrides: then a meta file that cannot be
// read stops nothing, and neither does one that does not know what its tokens mean.
std::optional<DatasetMeta> read_meta(const fs::path& folder, const TrainConfig& config) {
  if (!config.model.vocab_size.value) return read_dataset_meta(folder);
  try {
    return read_dataset_meta(folder);
  } catch (const InputError& error) {
    log_warning(concat(error.what(), "; vocab_size=", *config.model.vocab_size.value,
                       " is taken, and `gpttrain sample` will need --tokenizer"));
    DatasetMeta unknown{.tokenizer = kUnknownTokenizer,
                        .vocab_size = *config.model.vocab_size.value};
    unknown.json = to_json(unknown);
    return unknown;
  }
}

bool from_weights(const std::string& init_from) {
  return init_from != "scratch" && init_from != "resume" && init_from != "auto";
}

// The user's word counts; that of a model which comes from elsewhere must have the dataset's
// tokens.
std::int64_t settle_vocabulary(const TrainConfig& config, const std::optional<DatasetMeta>& meta) {
  if (!meta) return config.model.vocab_size.or_else(kGpt2PaddedVocabulary);
  const std::int64_t size = config.model.vocab_size.or_else(meta->vocab_size);
  if (size < meta->vocab_size && from_weights(config.io.init_from))
    throw InputError(concat("vocab_size: expected at least ", meta->vocab_size,
                            ", the vocabulary of ", meta->origin.string(), ", got ", size,
                            ", that of init_from's model; take the dataset that it was trained "
                            "with, or one prepared with its vocabulary"));
  return size;
}

// The files that a list of names and patterns with commas between stands for; nothing where one of
// them fits no file, which is then in `missing`. A name may have commas, too: what fits nothing is
// tried together with what follows it.
std::vector<fs::path> listed_files(const std::string& list, std::string& missing) {
  if (file_exists(list)) return {list};
  std::vector<fs::path> files;
  std::istringstream parts(list);
  std::string name;
  for (std::string part; std::getline(parts, part, ',');) {
    name = missing.empty() ? part : concat(name, ",", part);
    auto found = matching_paths(name);
    std::erase_if(found, [](const fs::path& path) { return fs::is_directory(path); });
    missing = found.empty() ? name : std::string();
    files.insert(files.end(), found.begin(), found.end());
  }
  if (missing.empty()) return files;
  return {};
}

std::vector<fs::path> files_of(const char* key, const std::string& list) {
  std::string missing;
  std::vector<fs::path> files = listed_files(list, missing);
  if (files.empty())
    throw InputError(concat(key, ": no file is called '", missing,
                            "'; expected a path, or a pattern that fits some"));
  return files;
}

struct SplitFiles {
  std::vector<fs::path> train, val;  // no val: there is nothing to evaluate on
};

bool evaluates(const TrainConfig& config) {
  return config.io.eval_interval > 0 || config.io.eval_only;
}

SplitFiles split_files(const TrainConfig& config) {
  const DataConfig& data = config.data;
  if (!data.train_files.empty() && data.val_files.empty() && !evaluates(config))
    return {files_of("train_files", data.train_files), {}};
  if (data.train_files.empty() != data.val_files.empty())
    throw InputError(concat(data.train_files.empty() ? "train_files" : "val_files",
                            ": is missing; train_files and val_files go together",
                            data.train_files.empty() ? "" : ", except with --eval_interval=0"));
  if (!data.train_files.empty())
    return {files_of("train_files", data.train_files), files_of("val_files", data.val_files)};
  const fs::path folder = fs::path(data.data_dir) / data.dataset;
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored))
    throw InputError(concat(folder.string(), ": no such dataset folder; make it with `gpttrain ",
                            "prepare --out=", folder.string(),
                            " TEXT...`, or point --data_dir and --dataset at one"));
  const fs::path train = folder / "train.bin", val = folder / "val.bin";
  if (file_exists(val) || !file_exists(train)) return {{train}, {val}};
  if (!evaluates(config)) return {{train}, {}};
  throw InputError(concat(val.string(),
                          ": is not there, so nothing can be evaluated on it; train without with "
                          "--eval_interval=0, or make the dataset again with gpttrain prepare "
                          "--val_fraction=0.1 --force"));
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
  if (!files.val.empty())
    check_against_meta(files.val, "val.bin", dataset.val.size(), *meta, checksums);
}

// `files` are those of `split`.
void open_masks(const std::vector<fs::path>& files, const std::optional<DatasetMeta>& meta,
                bool checksums, TokenFile& split) {
  split.open_masks();
  const fs::path& first = files.front();
  const fs::path mask = TokenMask::path_beside(first);
  std::string wanted;  // checksum, where meta.json is of this file
  if (meta && files.size() == 1 && meta->origin.parent_path() == first.parent_path())
    wanted = first.filename() == "train.bin" ? meta->train_mask_crc32c
             : first.filename() == "val.bin" ? meta->val_mask_crc32c
                                             : std::string();
  if (!wanted.empty() && !file_exists(mask))
    throw InputError(concat(mask.string(), ": is missing, but ", meta->origin.string(),
                            " says which targets count; copy it, too, or count all of them with "
                            "--loss_mask=off"));
  if (!split.has_masks()) return;
  if (!wanted.empty() && checksums && hex32(crc32c_of_file(mask)) != wanted)
    throw InputError(concat(mask.string(), ": its checksum is not that in ", meta->origin.string(),
                            "; copy the dataset again, or make it again with gpttrain prepare "
                            "--force"));
  const std::int64_t counted = split.counted(1, split.size() - 1);
  if (counted == 0)
    throw InputError(concat(mask.string(),
                            ": says that no target counts, so there is nothing to learn; prepare "
                            "rows with answers, or count all with --loss_mask=off"));
  log_info(concat(first.string(), ": ", with_commas(counted), " of ", with_commas(split.size() - 1),
                  " targets count (", mask.filename().string(), "; --loss_mask=off counts all)"));
}

}  // namespace

Dataset open_dataset(const TrainConfig& config) {
  const SplitFiles files = split_files(config);
  const auto meta = read_meta(files.train.front().parent_path(), config);
  const std::int64_t vocab_size = settle_vocabulary(config, meta);
  const std::int64_t block = config.data.block_size;
  const TokenWidth width = meta && meta->token_bytes == 4 ? TokenWidth::k32 : TokenWidth::k16;
  const bool no_val = files.val.empty();
  Dataset dataset{.train = TokenFile(files.train, block, vocab_size, width),
                  .val = TokenFile(no_val ? files.train : files.val, block, vocab_size, width),
                  .vocab_size = vocab_size,
                  .vocabulary_json = meta ? meta->json : std::string()};
  check_against_meta(files, dataset, meta, config.data.verify_data);
  if (config.data.loss_mask == "auto") {
    open_masks(files.train, meta, config.data.verify_data, dataset.train);
    if (!no_val) open_masks(files.val, meta, config.data.verify_data, dataset.val);
  }
  return dataset;
}

std::optional<double> bytes_per_token(const Dataset& dataset) {
  const nlohmann::json meta = try_parse_json(dataset.vocabulary_json);
  const auto number = [&](const char* key) {
    const bool there = meta.is_object() && meta.contains(key) && meta[key].is_number();
    return there ? meta[key].get<double>() : 0.0;
  };
  const double bytes = number("bytes"), tokens = number("train_tokens") + number("val_tokens");
  if (bytes <= 0 || tokens <= 0) return std::nullopt;
  return bytes / tokens;
}

std::string missing_data(const TrainConfig& config) {
  const DataConfig& data = config.data;
  const bool evaluated = evaluates(config);
  if (!data.train_files.empty() || !data.val_files.empty()) {
    if (data.train_files.empty()) return "train_files";
    if (data.val_files.empty() && evaluated) return "val_files";
    std::string missing;
    listed_files(data.train_files, missing);
    if (missing.empty() && !data.val_files.empty()) listed_files(data.val_files, missing);
    return missing;
  }
  const fs::path folder = fs::path(data.data_dir) / data.dataset;
  for (const char* name : {"train.bin", "val.bin"})
    if (!file_exists(folder / name) && (evaluated || name != std::string_view("val.bin")))
      return folder / name;
  return "";
}

}  // namespace gpt
