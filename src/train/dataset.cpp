#include "gpt/train/dataset.h"

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/strings.h"
#include "gpt/corpus/dataset_meta.h"

namespace gpt {

namespace {

constexpr std::int64_t kGpt2Vocabulary = 50304;  // 50257 padded to a multiple of 64, as nanoGPT

std::int64_t settle_vocabulary(const TrainConfig& config, const std::filesystem::path& folder,
                               const std::optional<DatasetMeta>& meta) {
  if (!meta) return config.model.vocab_size.or_else(kGpt2Vocabulary);
  const std::int64_t size = config.model.vocab_size.or_else(meta->vocab_size());
  if (size < meta->vocab_size())
    throw InputError(concat("vocab_size: expected at least ", meta->vocab_size(),
                            ", the vocabulary of ", (folder / "meta.json").string(), ", got ",
                            size));
  return size;
}

}  // namespace

Dataset open_dataset(const TrainConfig& config) {
  const std::filesystem::path folder =
      std::filesystem::path(config.data.data_dir) / config.data.dataset;
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored))
    throw InputError(concat(folder.string(), ": no such dataset folder; make it with `gpttrain ",
                            "prepare --out=", folder.string(),
                            " TEXT...`, or point --data_dir and --dataset at one"));
  const auto meta = read_dataset_meta(folder);
  const std::int64_t vocab_size = settle_vocabulary(config, folder, meta);
  const std::int64_t block = config.data.block_size;
  return {.train = TokenFile(folder / "train.bin", block, vocab_size),
          .val = TokenFile(folder / "val.bin", block, vocab_size),
          .vocab_size = vocab_size,
          .vocabulary_json = meta ? read_file(folder / "meta.json") : std::string()};
}

}  // namespace gpt
