#include "gpt/dataprep/text_chunk.h"

#include <algorithm>

#include "gpt/base/strings.h"
#include "gpt/dataprep/json_text.h"

namespace gpt {

namespace {

// Python's universal newlines. A chunk never ends between \r and \n.
std::string universal_newlines(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r') {
      out.push_back(text[i]);
    } else {
      out.push_back('\n');
      if (i + 1 < text.size() && text[i + 1] == '\n') ++i;
    }
  }
  return out;
}

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

void take_whole(const TextChunk& chunk, const DocumentRules& rules,
                const std::function<void(const DocumentPart&)>& take) {
  DocumentPart part{.text = chunk.bytes,
                    .document = chunk.first_document,
                    .begins = chunk.begins,
                    .ends = chunk.ends};
  std::string translated;
  if (rules.as_one_text && chunk.bytes.find('\r') != std::string::npos) {
    translated = universal_newlines(chunk.bytes);
    part.text = translated;
  }
  take(part);
}

}  // namespace

void for_each_part(const TextChunk& chunk, const SourceFile& file, const DocumentRules& rules,
                   const std::function<void(const DocumentPart&)>& take) {
  if (file.layout == Layout::kWhole) return take_whole(chunk, rules, take);
  std::string_view rest = chunk.bytes;
  std::string text;
  for (std::int64_t line = 0; !rest.empty(); ++line) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view one = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (is_blank(one)) continue;
    DocumentPart part;
    part.document = chunk.first_document + line;
    if (file.layout == Layout::kJson) {
      part.invalid = read_json_text(one, rules.text_key,
                                    concat(file.name(), ":", chunk.first_line + line), text);
    } else {
      if (one.ends_with('\r')) one.remove_suffix(1);
      text = one;
    }
    if (rules.as_one_text) text.push_back('\n');
    part.text = text;
    take(part);
  }
}

std::int64_t count_characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

}  // namespace gpt
