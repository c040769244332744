#include "gpt/dataprep/dataset_meta.h"

#include <algorithm>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/json.h"
#include "gpt/base/strings.h"
#include "gpt/text/char_tokenizer.h"
#include "gpt/text/utf8.h"

#include "nanogpt_meta.h"

namespace gpt {

namespace {

using nlohmann::json;

constexpr std::int64_t kSixteenBits = 65536;
constexpr std::uint64_t kLargest = 64 << 20;  // every character of Unicode takes 11 MiB

// Reads the keys that are there and holds each to its type.
class MetaReader {
 public:
  MetaReader(json meta, std::string origin) : meta_(std::move(meta)), origin_(std::move(origin)) {}

  void count(const char* key, std::int64_t& value) const {
    read(key, value, "a count",
         [](const json& v) { return v.is_number_integer() && v.get<std::int64_t>() >= 0; });
  }
  void number(const char* key, double& value) const {
    read(key, value, "a number", [](const json& v) { return v.is_number(); });
  }
  void text(const char* key, std::string& value) const {
    read(key, value, "a text", [](const json& v) { return v.is_string(); });
  }
  void texts(const char* key, std::vector<std::string>& value) const {
    read(key, value, "a list of texts", [](const json& v) {
      return v.is_array() &&
             std::all_of(v.begin(), v.end(), [](const json& e) { return e.is_string(); });
    });
  }
  // Which of `names` the text is.
  std::size_t choice(const char* key, const std::vector<std::string>& names) const {
    std::string value = names.front();
    text(key, value);
    const auto found = std::find(names.begin(), names.end(), value);
    if (found == names.end())
      throw InputError(concat(origin_, ": ", key, ": expected ", join(names, " or "), ", found ",
                              json(value).dump(-1, ' ', true)));
    return static_cast<std::size_t>(found - names.begin());
  }

 private:
  template <class T>
  void read(const char* key, T& value, const char* wanted, bool (*fits)(const json&)) const {
    const auto found = meta_.find(key);
    if (found == meta_.end()) return;
    if (!fits(*found))
      throw InputError(concat(origin_, ": ", key, ": expected ", wanted, ", found a value of type ",
                              found->type_name()));
    value = found->get<T>();
  }

  json meta_;
  std::string origin_;
};

// Visits every key with a plain value in the file's order: one list for both directions.
template <class Meta, class Visitor>
void visit_counts(Meta& meta, const Visitor& visit) {
  visit("bytes", meta.bytes);
  visit("characters", meta.characters);
  visit("documents", meta.documents);
  visit("val_documents", meta.val_documents);
  visit("train_tokens", meta.train_tokens);
  visit("val_tokens", meta.val_tokens);
  visit("train_crc32c", meta.train_crc32c);
  visit("val_crc32c", meta.val_crc32c);
  visit("input_crc32c", meta.input_crc32c);
  visit("split", meta.split);
  visit("eot", meta.eot);
  visit("seed", meta.seed);
  visit("val_fraction", meta.val_fraction);
  visit("sources", meta.sources);
  visit("invalid_utf8", meta.invalid_utf8);
  visit("skipped_rows", meta.skipped_rows);
}

template <class Meta, class Visitor>
void visit_masks(Meta& meta, const Visitor& visit) {
  visit("train_counted", meta.train_counted);
  visit("val_counted", meta.val_counted);
  visit("train_mask_crc32c", meta.train_mask_crc32c);
  visit("val_mask_crc32c", meta.val_mask_crc32c);
}

struct KeyReader {
  const MetaReader& reader;
  void operator()(const char* key, std::int64_t& value) const { reader.count(key, value); }
  void operator()(const char* key, double& value) const { reader.number(key, value); }
  void operator()(const char* key, std::string& value) const { reader.text(key, value); }
  void operator()(const char* key, std::vector<std::string>& value) const {
    reader.texts(key, value);
  }
};

// Whether the text is a JSON object of another tokenizer than "char", whose own reader has the
// better errors for all else.
bool is_of_a_bpe(const json& meta) {
  const auto found = meta.is_object() ? meta.find("tokenizer") : meta.end();
  return meta.is_object() && found != meta.end() && found->is_string() && *found != "char";
}

void read_vocabulary(const std::string& text, const json& parsed, const MetaReader& reader,
                     DatasetMeta& meta) {
  const std::string origin = meta.origin.string();
  if (!is_of_a_bpe(parsed)) {
    const CharTokenizer tokenizer = CharTokenizer::from_json(text, origin);
    meta.itos = tokenizer.characters();
    meta.vocab_size = tokenizer.vocab_size();
    return;
  }
  meta.tokenizer =
      std::vector<std::string>{"gpt2", "bpe"}[reader.choice("tokenizer", {"gpt2", "bpe"})];
  reader.count("vocab_size", meta.vocab_size);
  reader.text("tokenizer_file", meta.tokenizer_file);
  reader.text("tokenizer_crc32c", meta.tokenizer_crc32c);
  if (meta.vocab_size < 1)
    throw InputError(origin + ": vocab_size: expected at least 1, found nothing or less");
}

DatasetMeta parse_meta(const std::filesystem::path& path) {
  DatasetMeta meta;
  meta.origin = path;
  meta.json = read_small_file(path, kLargest, "a meta.json");
  const json parsed = try_parse_json(meta.json);
  const MetaReader reader(parsed.is_object() ? parsed : json::object(), path.string());
  read_vocabulary(meta.json, parsed, reader, meta);
  meta.token_bytes = reader.choice("dtype", {"uint16", "uint32"}) == 0 ? 2 : 4;
  visit_counts(meta, KeyReader{reader});
  visit_masks(meta, KeyReader{reader});
  return meta;
}

// What decides the meaning of tokens.
json vocabulary_of(std::string_view text) {
  const json meta = try_parse_json(text);
  json vocabulary;
  const bool gpt2 = text.empty() || (meta.is_object() && meta.value("tokenizer", json()) == "gpt2");
  if (gpt2) return "gpt2";
  for (const char* key : {"tokenizer", "vocab_size", "itos", "tokenizer_crc32c"})
    vocabulary.push_back(meta.is_object() ? meta.value(key, json()) : json());
  return vocabulary;
}

}  // namespace

void describe_tokenizer(const Tokenizer& tokenizer, DatasetMeta& meta) {
  meta.tokenizer = tokenizer.name();
  meta.vocab_size = tokenizer.vocab_size();
  if (const auto* characters = dynamic_cast<const CharTokenizer*>(&tokenizer))
    meta.itos = characters->characters();
  meta.token_bytes = meta.vocab_size > kSixteenBits ? 4 : 2;
}

std::string to_json(const DatasetMeta& meta) {
  nlohmann::ordered_json out;
  out["format"] = "gpttrain-meta";
  out["version"] = 1;
  out["tokenizer"] = meta.tokenizer;
  out["vocab_size"] = meta.vocab_size;
  if (meta.tokenizer == "char") {
    std::vector<std::string> itos;
    for (const char32_t character : meta.itos) itos.push_back(to_utf8({&character, 1}));
    out["itos"] = itos;
  } else {
    if (!meta.tokenizer_file.empty()) out["tokenizer_file"] = meta.tokenizer_file;
    if (!meta.tokenizer_crc32c.empty()) out["tokenizer_crc32c"] = meta.tokenizer_crc32c;
  }
  out["dtype"] = meta.token_bytes == 4 ? "uint32" : "uint16";
  const auto write = [&](const char* key, const auto& value) { out[key] = value; };
  visit_counts(meta, write);
  if (!meta.train_mask_crc32c.empty()) visit_masks(meta, write);
  return out.dump(1, ' ', true, json::error_handler_t::replace) + "\n";
}

std::optional<DatasetMeta> read_dataset_meta(const std::filesystem::path& folder) {
  if (file_exists(folder / "meta.json")) return parse_meta(folder / "meta.json");
  if (!file_exists(folder / "meta.pkl")) return std::nullopt;
  return read_nanogpt_meta(folder / "meta.pkl");
}

bool same_vocabulary(std::string_view a, std::string_view b) {
  return vocabulary_of(a) == vocabulary_of(b);
}

}  // namespace gpt
