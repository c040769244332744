#include "gpt/text/tokenizer_files.h"

#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/json.h"
#include "gpt/base/strings.h"
#include "gpt/base/user_folders.h"
#include "gpt/text/bpe_tokenizer.h"
#include "gpt/text/char_tokenizer.h"

namespace gpt {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kOrAFile =
    " or give a file: --tokenizer=FILE (vocab.bpe, tokenizer.json or *.tiktoken)";

std::unique_ptr<Tokenizer> open_gpt2() {
  const fs::path file = gpt2_vocabulary_file();
  if (file.empty())
    throw InputError(concat("tokenizer gpt2: ", no_cache_folder(), ", as for scripts/setup of ",
                            "gpttrain's sources, which fetches the vocabulary,", kOrAFile));
  if (!file_exists(file))
    throw InputError(concat(
        "tokenizer gpt2: ", file.string(),
        " is not there; run scripts/setup of gpttrain's sources, which fetches it,", kOrAFile));
  auto tokenizer = std::make_unique<BpeTokenizer>(read_bpe_vocabulary(file));
  if (tokenizer->name() != "gpt2")
    throw InputError(concat("tokenizer gpt2: ", file.string(),
                            " is not GPT-2's vocabulary; run scripts/setup, which replaces it,",
                            kOrAFile));
  return tokenizer;
}

std::string text_of(const json& meta, const char* key, const std::string& origin) {
  const json value = meta.value(key, json());
  if (!value.is_string())
    throw InputError(concat(origin, ": ", key, ": expected a text, found ",
                            meta.contains(key) ? shown_json(value) : "nothing"));
  return value.get<std::string>();
}

// A dataset or a checkpoint may come from someone else: what it names is opened only if it is a
// file or a folder, for a pipe could make us wait for ever.
std::string tokenizer_file(const json& meta, const std::string& origin) {
  std::string file = text_of(meta, "tokenizer_file", origin);
  std::error_code ignored;
  const auto type = fs::status(file, ignored).type();
  if (type == fs::file_type::regular || type == fs::file_type::directory) return file;
  throw InputError(
      concat(origin, ": tokenizer_file: ", shown_json(file),
             type == fs::file_type::not_found ? " is not there" : " is neither a file nor a folder",
             "; give the vocabulary with --tokenizer=FILE"));
}

// Of a tokenizer.json, or a folder that has one, of characters; nothing for any other kind.
std::unique_ptr<Tokenizer> open_characters(const fs::path& path) {
  constexpr std::uint64_t kMostBytes = 64 << 20;
  std::error_code ignored;
  const fs::path file = fs::is_directory(path, ignored) ? path / "tokenizer.json" : path;
  if (file.extension() != ".json" || !fs::is_regular_file(file, ignored)) return nullptr;
  const std::string text = read_small_file(file, kMostBytes, "a vocabulary");
  if (text.find("\"WordLevel\"") == text.npos) return nullptr;
  return std::make_unique<CharTokenizer>(CharTokenizer::from_tokenizer_json(text, file.string()));
}

}  // namespace

fs::path gpt2_vocabulary_file() {
  constexpr const char* kName = "gpt2.tiktoken";
  const auto cache = cache_folder();
  const fs::path own = cache ? *cache / kName : fs::path();
  if (!own.empty() && file_exists(own)) return own;
  return installed_file(kName).value_or(own);
}

std::unique_ptr<Tokenizer> open_tokenizer(const std::string& name_or_path) {
  if (name_or_path == "gpt2") return open_gpt2();
  if (!file_exists(name_or_path))
    throw InputError(concat("tokenizer ", name_or_path,
                            ": no such file; expected gpt2 or a vocabulary (vocab.bpe, "
                            "tokenizer.json, *.tiktoken or a folder that holds one)"));
  if (auto characters = open_characters(name_or_path)) return characters;
  return std::make_unique<BpeTokenizer>(read_bpe_vocabulary(name_or_path));
}

std::unique_ptr<Tokenizer> tokenizer_of_meta(std::string_view meta_json,
                                             const std::string& origin) {
  const json meta = parse_json(meta_json, origin, "write it again with gpttrain prepare");
  const std::string name = meta.is_object() ? text_of(meta, "tokenizer", origin) : "char";
  if (name == "char")
    return std::make_unique<CharTokenizer>(CharTokenizer::from_json(meta_json, origin));
  if (name == "unknown")
    throw InputError(concat(origin,
                            ": the dataset said how many tokens there are, and not how "
                            "they read; give their vocabulary with --tokenizer=FILE (vocab.bpe, "
                            "tokenizer.json, *.tiktoken, or a dataset's folder)"));
  if (name != "gpt2" && name != "bpe")
    throw InputError(concat(origin, ": tokenizer: expected \"char\", \"gpt2\" or \"bpe\", found ",
                            shown_json(name)));
  auto tokenizer = open_tokenizer(name == "gpt2" ? name : tokenizer_file(meta, origin));
  if (const json size = meta.value("vocab_size", json()); size != tokenizer->vocab_size())
    throw InputError(concat(origin, ": vocab_size: expected ", tokenizer->vocab_size(),
                            " as the tokenizer has, found ", shown_json(size)));
  return tokenizer;
}

}  // namespace gpt
