#include <algorithm>
#include <span>

#include "gpt/base/error.h"
#include "gpt/base/file_kind.h"
#include "gpt/base/files.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/text/bpe_vocabulary.h"

namespace gpt {

namespace {

constexpr std::uint64_t kLargest = 64 << 20;  // GPT-2's take one or two MiB

// The first of these in the folder; nothing if none is there.
std::optional<fs::path> first_of(const fs::path& folder, std::initializer_list<const char*> names) {
  std::error_code ignored;
  for (const char* name : names)
    if (fs::is_regular_file(folder / name, ignored)) return folder / name;
  return std::nullopt;
}

fs::path file_in(const fs::path& folder) {
  const auto found =
      first_of(folder, {"tokenizer.json", "vocab.bpe", "merges.txt", "gpt2.tiktoken"});
  if (!found)
    throw InputError(
        folder.string() +
        ": expected tokenizer.json, vocab.bpe, merges.txt or gpt2.tiktoken in this folder");
  return *found;
}

std::string vocabulary_text(const fs::path& path) {
  std::string text = read_small_file(path, kLargest, "a vocabulary");
  refuse_foreign_file(path, std::as_bytes(std::span(text)));
  return text;
}

// A token in base64 has a multiple of four letters, and its id follows.
bool looks_like_tiktoken(std::string_view text) {
  const std::string_view line = text.substr(0, text.find_first_of("\r\n"));
  const std::size_t space = line.find(' ');
  if (space == line.npos || space % 4 != 0 || space + 1 == line.size()) return false;
  return line.find_first_not_of("0123456789", space + 1) == line.npos;
}

// What lies next to the file.
TokenizerSettings settings_beside(const fs::path& file) {
  TokenizerSettings settings;
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"})
    if (const auto path = first_of(file.parent_path(), {name}))
      parse_tokenizer_config(vocabulary_text(*path), path->string(), settings);
  if (const auto path = first_of(file.parent_path(), {"added_tokens.json"}))
    parse_added_tokens(vocabulary_text(*path), path->string(), settings);
  return settings;
}

BpeVocabulary read_file_of(const fs::path& file) {
  const std::string text = vocabulary_text(file);
  const std::string name = file.string();
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  const bool json = first != text.npos && text[first] == '{';
  const auto has = [&](const char* key) { return text.find(key) != text.npos; };
  if (json && has("\"model\"") && (has("\"merges\"") || has("\"pre_tokenizer\"")))
    return parse_tokenizer_json(text, name, settings_beside(file));
  if (json) {
    const auto merges = first_of(file.parent_path(), {"vocab.bpe", "merges.txt"});
    if (!merges)
      throw InputError(name + ": has the ids only; expected vocab.bpe or merges.txt next to it");
    return parse_merges(vocabulary_text(*merges), merges->string(), text, name,
                        settings_beside(file));
  }
  if (text.substr(0, 1024).find('\0') != text.npos)
    throw InputError(
        name +
        ": is binary, as SentencePiece's models are, which are not read here; expected "
        "vocab.bpe, *.tiktoken or the tokenizer.json of a byte-level BPE (training on "
        "tokens that are ready needs none)");
  if (looks_like_tiktoken(text)) return parse_tiktoken_vocabulary(text, name);
  const auto ids = first_of(file.parent_path(), {"encoder.json", "vocab.json"});
  if (!ids) return parse_merges(text, name);
  return parse_merges(text, name, vocabulary_text(*ids), ids->string(), settings_beside(file));
}

}  // namespace

BpeVocabulary read_bpe_vocabulary(const fs::path& path) {
  std::error_code ignored;
  const fs::path file = fs::is_directory(path, ignored) ? file_in(path) : path;
  BpeVocabulary vocabulary = read_file_of(file);
  if (const std::int64_t missing = vocabulary.missing_bytes())
    log_warning(concat(file.string(), ": ", missing, " of the 256 bytes have no token; in a text ",
                       vocabulary.unknown ? "they become the unknown token"
                                          : "they are left out, as in Hugging Face's tokenizers"));
  return vocabulary;
}

}  // namespace gpt
