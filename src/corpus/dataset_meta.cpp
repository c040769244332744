#include "gpt/corpus/dataset_meta.h"

#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/strings.h"
#include "gpt/text/utf8.h"

namespace gpt {

namespace {

using nlohmann::json;

// Reads the keys that are there and holds each to its type.
class MetaReader {
 public:
  MetaReader(const std::string& text, std::string origin)
      : meta_(json::parse(text)), origin_(std::move(origin)) {}

  void count(const char* key, std::int64_t& value) const {
    read(key, value, "a count",
         [](const json& v) { return v.is_number_integer() && v.get<std::int64_t>() >= 0; });
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

}  // namespace

std::string to_json(const DatasetMeta& meta) {
  std::vector<std::string> itos;
  for (const char32_t character : meta.tokenizer.characters())
    itos.push_back(to_utf8({&character, 1}));
  nlohmann::ordered_json out;
  out["format"] = "gpttrain-meta";
  out["version"] = 1;
  out["tokenizer"] = "char";
  out["vocab_size"] = meta.vocab_size();
  out["itos"] = itos;
  out["characters"] = meta.characters;
  out["train_tokens"] = meta.train_tokens;
  out["val_tokens"] = meta.val_tokens;
  out["train_crc32c"] = meta.train_crc32c;
  out["val_crc32c"] = meta.val_crc32c;
  out["sources"] = meta.sources;
  out["invalid_utf8"] = meta.invalid_utf8;
  return out.dump(1, ' ', true) + "\n";
}

std::optional<DatasetMeta> read_dataset_meta(const fs::path& folder) {
  const fs::path path = folder / "meta.json";
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return std::nullopt;
  const std::string text = read_file(path);
  DatasetMeta meta{.tokenizer = CharTokenizer::from_json(text, path.string())};
  const MetaReader reader(text, path.string());
  reader.count("characters", meta.characters);
  reader.count("train_tokens", meta.train_tokens);
  reader.count("val_tokens", meta.val_tokens);
  reader.count("invalid_utf8", meta.invalid_utf8);
  reader.text("train_crc32c", meta.train_crc32c);
  reader.text("val_crc32c", meta.val_crc32c);
  reader.texts("sources", meta.sources);
  return meta;
}

}  // namespace gpt
