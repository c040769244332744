#include "gpt/base/files.h"
#include "gpt/base/log.h"
#include "gpt/base/signal.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"
#include "gpt/config/option.h"
#include "gpt/config/tokenizer_config.h"
#include "gpt/dataprep/word_count.h"

#include "app/commands.h"
#include "app/export_tokenizer.h"

namespace gpt {

namespace {

constexpr const char* kTokenizerUsage =
    "Usage: gpttrain tokenizer train TEXT... --vocab_size=N --out=DIR [--key=value...]\n"
    "Learns a byte-level BPE vocabulary, with the merges of Hugging Face's BpeTrainer.\n"
    "A TEXT is what prepare takes: a file, a folder, a pattern, or - for standard input.\n\n";

constexpr const char* kFiles[] = {"tokenizer.json", "vocab.json", "merges.txt",
                                  "tokenizer_config.json"};

void check_folder(const TokenizerTrainConfig& config) {
  if (config.out.empty())
    throw InputError(
        "command line: --out is missing: the folder for the vocabulary, e.g. --out=data/mytokens");
  if (config.force) return;
  for (const char* name : kFiles)
    if (file_exists(fs::path(config.out) / name))
      throw InputError(concat((fs::path(config.out) / name).string(),
                              ": is already there; choose another --out, or replace it with "
                              "--force=True"));
}

std::optional<BpeVocabulary> train(const WordCounts& words, const TokenizerTrainConfig& config,
                                   const StopSignals& signals) {
  ProgressLine progress("merging", static_cast<double>(config.vocab_size));
  return train_bpe(words, {.vocab_size = config.vocab_size,
                           .min_frequency = config.min_frequency,
                           .progress = [&](std::int64_t tokens) {
                             progress.update(static_cast<double>(tokens));
                             return !signals.requested();
                           }});
}

void write(const BpeVocabulary& vocabulary, const fs::path& folder) {
  make_directories(folder);
  replace_file(folder / "vocab.json", vocabulary.vocab_json());
  replace_file(folder / "merges.txt", vocabulary.merges_txt());
  replace_file(folder / "tokenizer_config.json", gpt2_tokenizer_config(std::nullopt));
  replace_file(folder / "tokenizer.json", vocabulary.tokenizer_json());
}

}  // namespace

ExitCode tokenizer_command(const Arguments& arguments) {
  const StopSignals signals;
  TokenizerTrainConfig config;
  Arguments rest = arguments;
  const bool train_asked = !rest.empty() && rest.front() == "train";
  if (train_asked) rest.erase(rest.begin());
  const auto line =
      read_options(rest, options_of(config), kTokenizerUsage, /*inputs_allowed=*/true);
  if (!line) return kExitDone;
  if (!train_asked)
    throw InputError(
        "command line: expected `gpttrain tokenizer train TEXT... --vocab_size=N "
        "--out=DIR`");
  check_folder(config);
  if (line->inputs.empty())
    throw InputError("command line: no text given: name files or folders to learn from");
  const auto counted = count_words({.inputs = {line->inputs.begin(), line->inputs.end()},
                                    .out_dir = config.out,
                                    .document = config.document,
                                    .text_key = config.text_key,
                                    .by_line = config.lines,
                                    .threads = static_cast<int>(config.threads.or_else(0)),
                                    .stop = [&] { return signals.requested(); }});
  const auto vocabulary =
      counted ? train(counted->words, config, signals) : std::optional<BpeVocabulary>();
  if (!vocabulary) {
    log_info("stopped; nothing was written, and the same command begins again");
    return kExitStopped;
  }
  write(*vocabulary, config.out);
  const auto size = std::ssize(vocabulary->tokens);
  if (size < config.vocab_size)
    log_warning(concat("the text gives ", size, " tokens only, not ", config.vocab_size,
                       "; give more text, or a smaller --vocab_size"));
  print_line(concat(config.out, ": ", with_commas(size), " tokens from ",
                    human_bytes(counted->bytes), " of text with ",
                    with_commas(std::ssize(counted->words.words())),
                    " different words; use it with gpttrain prepare --tokenizer=", config.out));
  return kExitDone;
}

}  // namespace gpt
