#include <algorithm>
#include <charconv>

#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/config/data_show_config.h"
#include "gpt/dataprep/dataset_meta.h"
#include "gpt/text/tokenizer_files.h"
#include "gpt/text/utf8.h"
#include "gpt/train/dataset.h"

#include "app/commands.h"
#include "app/open_model.h"

namespace gpt {

namespace {

constexpr const char* kDataUsage =
    "Usage: gpttrain data show FILE:TOKEN [--tokens=256]\n"
    "       gpttrain data show FILE|FOLDER --offset=N [--split=train|val]\n"
    "       gpttrain data show --dataset=NAME --offset=N\n"
    "Prints what a sequence of the data reads like, for example of a window that a log names.\n"
    "Where nothing says what its tokens mean, they are printed as numbers.\n\n";

// Sets what `input` names: a file of tokens, one with ":TOKEN" as logs write it, or the folder of a
// dataset.
void take_input(const std::string& input, DataShowConfig& show) {
  std::error_code ignored;
  if (fs::is_directory(input, ignored)) {
    const fs::path folder = fs::absolute(input).lexically_normal() / "";
    show.dataset = folder.parent_path().filename().string();
    show.data_dir = folder.parent_path().parent_path().string();
    return;
  }
  std::string file = input;
  const auto colon = input.rfind(':');
  if (!fs::exists(input, ignored) && colon != std::string::npos) {
    const std::string token = input.substr(colon + 1);
    const auto end = token.data() + token.size();
    if (std::from_chars(token.data(), end, show.offset).ptr == end && !token.empty())
      file = input.substr(0, colon);
  }
  if (!fs::is_regular_file(file, ignored))
    throw InputError(concat("command line: ", input, ": no such file; expected a file of tokens, ",
                            "FILE:TOKEN as logs name it, or a dataset's folder"));
  (show.split == "val" ? show.val_files : show.train_files) = file;
}

TrainConfig data_of(const DataShowConfig& show) {
  TrainConfig config;
  config.data.dataset = show.dataset;
  config.data.data_dir = show.data_dir;
  config.data.train_files = show.train_files;
  config.data.val_files = show.val_files;
  return config;
}

// Nothing where the meta.json tells only how many tokens there are.
std::unique_ptr<Tokenizer> tokenizer_of(const DataShowConfig& show, const fs::path& folder) {
  if (!show.tokenizer.empty()) return asked_tokenizer(show.tokenizer);
  const auto meta = read_dataset_meta(folder);
  if (!meta) return open_tokenizer("gpt2");
  if (meta->tokenizer == kUnknownTokenizer) return nullptr;
  return tokenizer_of_meta(meta->json, meta->origin.string());
}

std::string as_numbers(const std::vector<std::int64_t>& tokens) {
  std::vector<std::string> words;
  for (const std::int64_t token : tokens) words.push_back(std::to_string(token));
  return join(words, " ");
}

// A window may begin or end within a character.
std::string as_text(const std::vector<std::int64_t>& tokens, const Tokenizer& tokenizer) {
  return to_utf8(from_utf8(tokenizer.decode(tokens)));
}

const TrainingSource& chosen(const std::vector<TrainingSource>& sources, std::int64_t number) {
  const auto count = static_cast<std::int64_t>(sources.size());
  if (number <= count) return sources[static_cast<std::size_t>(number - 1)];
  throw InputError(concat("source: there ", count == 1 ? "is" : "are", " ", count, ", got ", number,
                          "; expected a number from 1 to ", count));
}

ExitCode show(const DataShowConfig& show) {
  const std::vector<TrainingSource> sources = open_split(data_of(show), show.split == "val");
  const TrainingSource& source = chosen(sources, show.source);
  const std::int64_t size = source.tokens.size();
  if (show.offset >= size)
    throw InputError(concat("offset: ", source.tokens.path().string(), " has ", size,
                            " tokens, got ", show.offset, "; expected at most ", size - 1));
  std::vector<std::int64_t> tokens(
      static_cast<std::size_t>(std::min(show.tokens, size - show.offset)));
  source.tokens.copy(show.offset, static_cast<std::int64_t>(tokens.size()), tokens.data());
  const TokenFile::Place place = source.tokens.place_of(show.offset);
  const auto tokenizer = tokenizer_of(show, place.file.parent_path());
  log_info(concat(place.file.string(), ":", place.index, ", ", tokens.size(), " of ", size,
                  " tokens", tokenizer ? "" : ", whose meaning its meta file does not tell"));
  print_text((tokenizer ? as_text(tokens, *tokenizer) : as_numbers(tokens)) + "\n");
  return kExitDone;
}

}  // namespace

ExitCode data_command(const Arguments& arguments) {
  DataShowConfig config;
  const std::vector<Option> options = options_of(config);
  Arguments rest = arguments;
  const bool asked = !rest.empty() && rest.front() == "show";
  if (asked) rest.erase(rest.begin());
  if (rest.empty() && !asked) rest = {"--help"};
  if (!asked && rest.front() != "--help" && rest.front() != "-h")
    throw InputError("command line: expected `gpttrain data show FILE:TOKEN [--key=value...]`");
  const auto line = read_options(rest, options, kDataUsage, /*inputs_allowed=*/true);
  if (!line) return kExitDone;
  if (line->inputs.size() > 1)
    throw InputError(
        concat("command line: expected one file or folder to show, got ", line->inputs.size()));
  if (!line->inputs.empty()) take_input(line->inputs[0], config);
  return show(config);
}

}  // namespace gpt
