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

bool all_whole(const SourceFiles& sources) {
  return std::all_of(sources.files.begin(), sources.files.end(),
                     [](const SourceFile& file) { return file.layout == Layout::kWhole; });
}

std::int64_t text_count(const SourceFiles& sources) {
  std::int64_t count = 0;
  for (const SourceFile& file : sources.files) count += file.texts;
  return count;
}

std::string settled_split(const PrepareRequest& request, const SourceFiles& sources) {
  if (row_pattern(request).has_answers()) {
    if (request.split == "end" && request.val_fraction > 0)
      throw InputError(
          "split: expected document, for a conversation is not cut in two where answers alone "
          "count; leave --split=end out");
    return "document";
  }
  if (request.split != "auto") return request.split;
  // Of many documents a share is a fair sample; of a few, the end of the text is the better choice.
  const bool few = all_whole(sources) && text_count(sources) < kManyTexts;
  return !request.tokenizer || few ? "end" : "document";
}

std::string settled_eot(const PrepareRequest& request, const SourceFiles& sources) {
  const bool possible = request.tokenizer && request.tokenizer->end_of_text();
  const bool one_text = all_whole(sources) && text_count(sources) == 1;
  if (request.eot == "auto") return possible && !one_text ? "append" : "none";
  if (request.eot != "none" && !possible)
    throw InputError(concat("eot: expected none, for ",
                            request.tokenizer ? "this vocabulary has" : "--tokenizer=char has",
                            " no <|endoftext|>, got ", request.eot));
  return request.eot;
}

void check_request(const PrepareRequest& request, const SourceFiles& sources) {
  for (const SourceFile& file : sources.files)
    if (file.stream && !request.tokenizer)
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
          {"encoding", request.encoding},
          {"text_key", request.text_key},
          {"text_template", to_utf8(from_utf8(request.text_template))},
          {"answer_keys", to_utf8(from_utf8(request.answer_keys))},
          {"message_template", to_utf8(from_utf8(request.message_template))},
          {"eot", rules.eot},
          {"added_tokens", request.added_tokens}};
}

}  // namespace

RowPattern row_pattern(const PrepareRequest& request) {
  const bool chat = request.text_template == RowPattern::kChat;
  if (!request.answer_keys.empty() && (request.text_template.empty() || chat))
    throw InputError(
        concat("answer_keys: expected text_template to name the keys of a row's text, ",
               chat ? "but chat knows its answers; leave answer_keys out"
                    : "as in --text_template='{question}\\n{answer}' --answer_keys=answer"));
  if (chat) return RowPattern::of_messages(request.message_template);
  return request.text_template.empty()
             ? RowPattern::of_key(request.text_key)
             : RowPattern::of_template(request.text_template, request.answer_keys);
}

InputRules input_rules(const PrepareRequest& request) {
  return {.document = request.document,
          .encoding = request.encoding,
          .keys = row_pattern(request).columns()};
}

PrepareRules settle_rules(const PrepareRequest& request, const SourceFiles& sources) {
  check_request(request, sources);
  PrepareRules rules;
  rules.split = settled_split(request, sources);
  rules.eot = settled_eot(request, sources);
  rules.split_at_end = rules.split == "end" && request.val_fraction > 0;
  rules.encoding.added_tokens = request.added_tokens;
  rules.encoding.characters_of_tokens =
      request.added_tokens || (request.tokenizer && !request.tokenizer->restores_text());
  rules.encoding.documents = {.rows = row_pattern(request),
                              .skip_bad_rows = request.skip_bad_rows,
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
