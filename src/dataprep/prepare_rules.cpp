#include "prepare_rules.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/json.h"
#include "gpt/base/strings.h"
#include "gpt/text/utf8.h"

namespace gpt {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// From so many files on, single documents are small against the whole and a share of them is a fair
// sample; of a few, the end of the text is the better choice.
constexpr std::size_t kManyFiles = 1000;

bool all_whole(const SourceFiles& sources) {
  return std::all_of(sources.files.begin(), sources.files.end(),
                     [](const SourceFile& file) { return file.layout == Layout::kWhole; });
}

std::string settled_split(const PrepareRequest& request, const SourceFiles& sources) {
  if (request.split != "auto") return request.split;
  const bool few = all_whole(sources) && sources.files.size() < kManyFiles;
  return !request.tokenizer || few ? "end" : "document";
}

std::string settled_eot(const PrepareRequest& request, const SourceFiles& sources) {
  const bool possible = request.tokenizer && request.tokenizer->end_of_text();
  const bool one_text = all_whole(sources) && sources.files.size() == 1;
  if (request.eot == "auto") return possible && !one_text ? "append" : "none";
  if (request.eot != "none" && !possible)
    throw InputError(concat("eot: expected none, for ",
                            request.tokenizer ? "this vocabulary has" : "--tokenizer=char has",
                            " no <|endoftext|>, got ", request.eot));
  return request.eot;
}

void check_request(const PrepareRequest& request, const SourceFiles& sources) {
  for (const SourceFile& file : sources.files)
    if (file.packing == Packing::kStdin && !request.tokenizer)
      throw InputError(
          file.name() +
          ": --tokenizer=char reads the text twice, which a pipe does not allow; save it to a file "
          "first, or take --tokenizer=gpt2");
}

json request_json(const PrepareRequest& request, const PrepareRules& rules) {
  json inputs = json::array();
  std::error_code no_such_place;
  for (const fs::path& input : request.inputs)
    inputs.push_back(
        to_utf8(from_utf8(input == "-" ? "-" : fs::absolute(input, no_such_place).string())));
  return {{"inputs", inputs},
          {"tokenizer", request.tokenizer ? request.tokenizer->name() : "char"},
          {"vocab_size", request.tokenizer ? request.tokenizer->vocab_size() : 0},
          {"tokenizer_crc32c", request.tokenizer_crc32c},
          {"val_fraction", request.val_fraction},
          {"seed", request.seed},
          {"split", rules.split},
          {"document", request.document},
          {"text_key", request.text_key},
          {"eot", rules.eot},
          {"added_tokens", request.added_tokens}};
}

}  // namespace

PrepareRules settle_rules(const PrepareRequest& request, const SourceFiles& sources) {
  check_request(request, sources);
  PrepareRules rules;
  rules.split = settled_split(request, sources);
  rules.eot = settled_eot(request, sources);
  rules.split_at_end = rules.split == "end";
  rules.encoding.added_tokens = request.added_tokens;
  rules.encoding.characters_of_tokens =
      request.added_tokens || (request.tokenizer && !request.tokenizer->restores_text());
  rules.encoding.documents = {.text_key = request.text_key,
                              .as_one_text = request.tokenizer == nullptr};
  rules.encoding.eot = rules.eot == "append"    ? EotPlace::kAppend
                       : rules.eot == "prepend" ? EotPlace::kPrepend
                                                : EotPlace::kNone;
  if (!rules.split_at_end) rules.encoding.split = SplitRule(request.val_fraction, request.seed);
  rules.request = request_json(request, rules).dump();
  return rules;
}

void check_same_request(const fs::path& out_dir, const std::string& was, const std::string& is) {
  const json before = try_parse_json(was), now = try_parse_json(is);
  for (const auto& [key, value] : now.items()) {
    const json old = before.is_object() ? before.value(key, json()) : json();
    if (old == value) continue;
    throw InputError(concat(out_dir.string(), ": holds an unfinished preparation with another ",
                            key, " (", old.dump(), ", now ", value.dump(),
                            "); resume it with the same command, or add --restart to drop it"));
  }
}

// File names may be any bytes; JSON takes UTF-8 only.
std::string source_name(const fs::path& input) {
  std::error_code no_such_place;
  fs::path path = fs::absolute(input, no_such_place).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();  // "folder/"
  return to_utf8(from_utf8(path.filename().string()));
}

}  // namespace gpt
