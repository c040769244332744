#include "gpt/train/dataset.h"

#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "gpt/base/checksum.h"
#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/json.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/dataprep/dataset_meta.h"
#include "gpt/text/tokenizer_files.h"
#include "gpt/train/run_weights.h"

#include "data_files.h"

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

// The user's word counts; that of a model which comes from elsewhere must have the dataset's
// tokens.
std::int64_t settle_vocabulary(const TrainConfig& config, const std::optional<DatasetMeta>& meta) {
  if (!meta) return config.model.vocab_size.or_else(kGpt2PaddedVocabulary);
  const std::int64_t size = config.model.vocab_size.or_else(meta->vocab_size);
  if (size < meta->vocab_size && begins_with_weights(config.io))
    throw InputError(concat("vocab_size: expected at least ", meta->vocab_size,
                            ", the vocabulary of ", meta->origin.string(), ", got ", size,
                            ", that of init_from's model; take the dataset that it was trained "
                            "with, or one prepared with its vocabulary"));
  return size;
}

struct SplitFiles {
  std::vector<TrainingFiles> train;
  std::vector<fs::path> val;  // none: there is nothing to evaluate on
};

FileList existing_files(const char* key, const std::string& list) {
  FileList files = read_file_list(key, list);
  if (files.sources.empty())
    throw InputError(concat(key, ": no file is called '", files.missing,
                            "'; expected a path, or a pattern that fits some"));
  return files;
}

std::vector<TrainingFiles> train_sources(const DataConfig& data) {
  return existing_files("train_files", data.train_files).sources;
}

std::vector<fs::path> val_sources(const DataConfig& data) {
  const FileList list = existing_files("val_files", data.val_files);
  if (list.weighted)
    throw InputError(
        "val_files: takes no weights, which are for train_files; all of val is read as one, so "
        "leave them out");
  return list.sources.front().files;
}

// A dataset's file in its folder.
TrainingFiles of_dataset(const DataConfig& data, const char* file) {
  return {data.dataset, {fs::path(data.data_dir) / data.dataset / file}, 1};
}

bool evaluates(const TrainConfig& config) {
  return config.io.eval_interval > 0 || config.io.eval_only;
}

SplitFiles split_files(const TrainConfig& config) {
  const DataConfig& data = config.data;
  if (!data.train_files.empty() && data.val_files.empty() && !evaluates(config))
    return {train_sources(data), {}};
  if (data.train_files.empty() != data.val_files.empty())
    throw InputError(concat(data.train_files.empty() ? "train_files" : "val_files",
                            ": is missing; train_files and val_files go together",
                            data.train_files.empty() ? "" : ", except with --eval_interval=0"));
  if (!data.train_files.empty()) return {train_sources(data), val_sources(data)};
  const fs::path folder = fs::path(data.data_dir) / data.dataset;
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored))
    throw InputError(concat(folder.string(), ": no such dataset folder; make it with `gpttrain ",
                            "prepare --out=", folder.string(),
                            " TEXT...`, or point --data_dir and --dataset at one"));
  const fs::path train = folder / "train.bin", val = folder / "val.bin";
  const TrainingFiles source = of_dataset(data, "train.bin");
  if (file_exists(val) || !file_exists(train)) return {{source}, {val}};
  if (!evaluates(config)) return {{source}, {}};
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
void check_against_meta(const std::vector<fs::path>& files, const char* name, std::int64_t size,
                        const std::optional<DatasetMeta>& meta, bool checksums) {
  if (meta && meta->origin.extension() == ".json")
    return check_against_meta(files, name, size, *meta, checksums);
  if (checksums)
    log_warning(concat(files.front().string(),
                       ": its contents cannot be verified: there is no meta.json next to it; "
                       "gpttrain prepare writes one"));
}

TokenWidth width_of(const std::optional<DatasetMeta>& meta) {
  return meta && meta->token_bytes == 4 ? TokenWidth::k32 : TokenWidth::k16;
}

std::string json_of(const std::optional<DatasetMeta>& meta) {
  return meta ? meta->json : std::string();
}

// Of a mixture, the first source says what tokens mean.
void require_vocabulary(const fs::path& file, const std::string& json, const fs::path& first,
                        const std::string& first_json) {
  if (json == first_json || same_vocabulary(json, first_json)) return;
  throw InputError(concat("train_files: the vocabulary of ", file.string(), " is not that of ",
                          first.string(),
                          ", so that a number would mean two tokens; prepare both "
                          "with one tokenizer"));
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

// `first`: of the first one's folder.
std::vector<TrainingSource> open_sources(const TrainConfig& config,
                                         const std::vector<TrainingFiles>& sources,
                                         std::int64_t vocab_size,
                                         const std::optional<DatasetMeta>& first) {
  std::vector<TrainingSource> opened;
  for (const TrainingFiles& source : sources) {
    const auto meta =
        opened.empty() ? first : read_meta(source.files.front().parent_path(), config);
    require_vocabulary(source.files.front(), json_of(meta), sources.front().files.front(),
                       json_of(first));
    opened.push_back({source.name,
                      TokenFile(source.files, config.data.block_size, vocab_size, width_of(meta)),
                      source.share});
    check_against_meta(source.files, "train.bin", opened.back().tokens.size(), meta,
                       config.data.verify_data);
    if (config.data.loss_mask == "auto")
      open_masks(source.files, meta, config.data.verify_data, opened.back().tokens);
  }
  return opened;
}

}  // namespace

std::int64_t end_of_documents(const std::string& vocabulary_json, std::int64_t vocab_size,
                              const std::string& origin) {
  constexpr std::int64_t kGpt2End = 50256;
  const nlohmann::json meta = try_parse_json(vocabulary_json);
  std::optional<std::int64_t> end;
  if (vocabulary_json.empty() || (meta.is_object() && meta.value("tokenizer", "") == "gpt2"))
    end = kGpt2End;
  else if (const auto id = tokenizer_of_meta(vocabulary_json, origin)->end_of_text())
    end = *id;
  if (end && *end < vocab_size) return *end;
  throw InputError(concat("document_mask: the vocabulary of ", origin,
                          " has no <|endoftext|>, so nothing tells where a document ends; prepare "
                          "the text with --tokenizer=gpt2 or a tokenizer that has one, or leave "
                          "document_mask out"));
}

Dataset open_dataset(const TrainConfig& config) {
  const SplitFiles files = split_files(config);
  const fs::path folder = files.train.front().files.front().parent_path();
  const auto meta = read_meta(folder, config);
  const std::int64_t vocab_size = settle_vocabulary(config, meta);
  const std::string vocabulary = json_of(meta);
  const std::vector<fs::path>& val = files.val.empty() ? files.train.front().files : files.val;
  // What is evaluated beside a mixture is a dataset of its own.
  const bool mixture = files.train.size() > 1;
  const auto val_meta = mixture ? read_meta(val.front().parent_path(), config) : meta;
  require_vocabulary(val.front(), json_of(val_meta), files.train.front().files.front(), vocabulary);
  Dataset dataset{.train = open_sources(config, files.train, vocab_size, meta),
                  .val = TokenFile(val, config.data.block_size, vocab_size, width_of(val_meta)),
                  .vocab_size = vocab_size,
                  .vocabulary_json = vocabulary,
                  .text_json = json_of(val_meta)};
  if (!files.val.empty() && val_meta && val_meta->origin.extension() == ".json")
    check_against_meta(val, "val.bin", dataset.val.size(), *val_meta, config.data.verify_data);
  if (!files.val.empty() && config.data.loss_mask == "auto")
    open_masks(val, val_meta, config.data.verify_data, dataset.val);
  if (config.data.document_mask)
    dataset.document_end =
        end_of_documents(vocabulary, vocab_size, meta ? meta->origin.string() : folder.string());
  return dataset;
}

std::vector<TrainingSource> open_split(const TrainConfig& config, bool val) {
  TrainConfig looking = config;
  looking.data.block_size = 1;
  looking.data.verify_data = false;
  const DataConfig& data = looking.data;
  std::vector<TrainingFiles> sources{of_dataset(data, val ? "val.bin" : "train.bin")};
  if (val && !data.val_files.empty()) sources = {{"val", val_sources(data), 1}};
  if (!val && !data.train_files.empty()) sources = train_sources(data);
  const auto meta = read_meta(sources.front().files.front().parent_path(), looking);
  // Whatever the vocabulary: a token beyond it is to be looked at, too.
  constexpr std::int64_t kAny = std::int64_t{1} << 32;
  std::vector<TrainingSource> opened;
  for (const TrainingFiles& source : sources)
    opened.push_back({source.name, TokenFile(source.files, 1, kAny, width_of(meta)), source.share});
  return opened;
}

fs::path meta_folder(const DataConfig& data) {
  if (data.train_files.empty()) return fs::path(data.data_dir) / data.dataset;
  const FileList files = read_file_list("train_files", data.train_files);
  if (files.sources.empty()) return fs::path(data.train_files).parent_path();
  return files.sources.front().files.front().parent_path();
}

std::string window_name(const Dataset& dataset, const Window& window) {
  const TokenFile& tokens = dataset.train[static_cast<std::size_t>(window.source)].tokens;
  const TokenFile::Place place = tokens.place_of(window.offset);
  return concat(place.file.string(), ":", place.index);
}

std::vector<std::int64_t> source_tokens(const Dataset& dataset) {
  std::vector<std::int64_t> tokens;
  for (const TrainingSource& source : dataset.train) tokens.push_back(source.tokens.size());
  return tokens;
}

std::vector<WindowOrder::Source> source_sizes(const Dataset& dataset) {
  std::vector<WindowOrder::Source> sizes;
  for (const TrainingSource& source : dataset.train)
    sizes.push_back({source.tokens.size(), source.share});
  return sizes;
}

std::optional<double> bytes_per_token(const Dataset& dataset) {
  const nlohmann::json meta = try_parse_json(dataset.text_json);
  const auto number = [&](const char* key) {
    const bool there = meta.is_object() && meta.contains(key) && meta[key].is_number();
    return there ? meta[key].get<double>() : 0.0;
  };
  const double bytes = number("bytes"), tokens = number("train_tokens") + number("val_tokens");
  if (bytes <= 0 || tokens <= 0) return std::nullopt;
  return bytes / tokens;
}

namespace {

// Of what train_files and val_files list. What else is wrong with them, open_dataset says.
std::string missing_file(const DataConfig& data) {
  try {
    const std::string missing = read_file_list("train_files", data.train_files).missing;
    if (!missing.empty() || data.val_files.empty()) return missing;
    return read_file_list("val_files", data.val_files).missing;
  } catch (const InputError&) {
    return "";
  }
}

}  // namespace

std::string missing_data(const TrainConfig& config) {
  const DataConfig& data = config.data;
  const bool evaluated = evaluates(config);
  if (!data.train_files.empty() || !data.val_files.empty()) {
    if (data.train_files.empty()) return "train_files";
    if (data.val_files.empty() && evaluated) return "val_files";
    return missing_file(data);
  }
  const fs::path folder = fs::path(data.data_dir) / data.dataset;
  for (const char* name : {"train.bin", "val.bin"})
    if (!file_exists(folder / name) && (evaluated || name != std::string_view("val.bin")))
      return folder / name;
  return "";
}

}  // namespace gpt
