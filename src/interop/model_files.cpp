#include "gpt/interop/model_files.h"

#include <array>
#include <fstream>
#include <regex>
#include <set>
#include <string_view>

#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/json.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"

namespace gpt {

namespace {

namespace fs = std::filesystem;

constexpr const char* kAdvice = "; choose another --to, or remove it by hand";

bool is_weights_file(const std::string& name) {
  static const std::regex shapes(
      "(model(-[0-9]{5}-of-[0-9]{5})?\\.safetensors|pytorch_model(-[0-9]{5}-of-[0-9]{5})?\\.bin)");
  return std::regex_match(name, shapes);
}

bool is_file_of_a_model(const std::string& name) {
  static const std::set<std::string> kNames{
      "config.json",       "generation_config.json",       "model.safetensors.index.json",
      "vocab.json",        "pytorch_model.bin.index.json", "merges.txt",
      "tokenizer.json",    "tokenizer_config.json",        "special_tokens_map.json",
      "added_tokens.json", "chat_template.jinja"};
  return kNames.contains(name) || is_weights_file(name);
}

bool is_gpt2_config(const fs::path& file) {
  try {
    const auto json = parse_json(read_small_file(file, std::uint64_t{1} << 20, "a model's config"),
                                 file.string());
    const auto type = json.is_object() ? json.find("model_type") : json.end();
    return type != json.end() && *type == "gpt2";
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

void require_exported_folder(const fs::path& folder, const std::string& shown) {
  std::error_code error;
  std::set<std::string> foreign;
  bool empty = true, weights = false;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    empty = false;
    const std::string name = entry->path().filename().string();
    std::error_code unknown;
    const bool file = entry->symlink_status(unknown).type() == fs::file_type::regular;
    if (!file || !is_file_of_a_model(name)) foreign.insert(name);
    weights = weights || is_weights_file(name);
  }
  if (error) throw IoError(shown, "list", error.value());
  if (!foreign.empty())
    throw InputError(concat(shown, ": holds ", quoted_name(*foreign.begin()),
                            ", which is no file of an exported model, so it is not replaced",
                            kAdvice));
  if (!empty && (!weights || !is_gpt2_config(folder / "config.json")))
    throw InputError(concat(shown, ": is not an exported GPT-2 model (config.json with model_type ",
                            "gpt2 and its weights), so it is not replaced", kAdvice));
}

// A zip whose first entry is NAME/data.pkl.
void require_exported_file(const fs::path& file, const std::string& shown) {
  constexpr std::size_t kHeader = 30, kNameLength = 26;
  constexpr std::string_view kSignature = "PK\x03\x04", kPickle = "/data.pkl";
  std::array<char, 512> bytes{};
  std::error_code unknown;
  if (fs::is_regular_file(fs::symlink_status(file, unknown)))
    std::ifstream(file, std::ios::binary).read(bytes.data(), bytes.size());
  const std::string_view text(bytes.data(), bytes.size());
  const std::size_t length = static_cast<unsigned char>(bytes[kNameLength]) +
                             256u * static_cast<unsigned char>(bytes[kNameLength + 1]);
  if (text.starts_with(kSignature) && length <= bytes.size() - kHeader &&
      text.substr(kHeader, length).ends_with(kPickle))
    return;
  throw InputError(
      concat(shown, ": is not a checkpoint of PyTorch, so it is not replaced", kAdvice));
}

}  // namespace gpt
