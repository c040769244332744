#include "gpt/dataprep/text_chunk.h"

#include <algorithm>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

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
                    .line = chunk.first_line,
                    .begins = chunk.begins,
                    .ends = chunk.ends};
  std::string translated;
  if (rules.as_one_text && chunk.bytes.find('\r') != std::string::npos) {
    translated = universal_newlines(chunk.bytes);
    part.text = translated;
  }
  take(part);
}

// What an answer at the row's end ends with.
void add_newline(RowText& row) {
  if (!row.answers.empty() && row.answers.back().end == row.text.size()) ++row.answers.back().end;
  row.text.push_back('\n');
}

// False for a row that is left out.
bool take_row(std::string_view line, const std::string& place, const DocumentRules& rules,
              RowText& row, BadRows& bad) {
  try {
    row = read_json_text(line, rules.rows, place);
    return true;
  } catch (const InputError& error) {
    if (!rules.skip_bad_rows)
      throw InputError(concat(error.what(),
                              "; mend the row, or leave such rows out with --bad_rows=skip (the "
                              "same command resumes)"));
    bad.add(error.what());
    return false;
  }
}

}  // namespace

void BadRows::add(const std::string& problem) {
  constexpr std::size_t kNamed = 3;
  ++count;
  if (first.size() < kNamed) first.push_back(problem);
}

void BadRows::add(const BadRows& more) {
  for (const std::string& problem : more.first) add(problem);
  count += more.count - static_cast<std::int64_t>(more.first.size());
}

std::string place_in(const TextFacts& text, std::int64_t line) {
  return concat(text.name, text.numbered_rows ? ": row " : ":", line);
}

BadRows for_each_part(const TextChunk& chunk, const DocumentRules& rules,
                      const std::function<void(const DocumentPart&)>& take) {
  BadRows bad;
  if (rules.rows.has_answers() && chunk.text.layout != Layout::kJson && !chunk.bytes.empty())
    throw InputError(concat(chunk.text.name,
                            ": holds no JSON rows, and answers are what keys of rows name; leave "
                            "it out, or prepare it without text_template and answer_keys"));
  if (chunk.text.layout == Layout::kWhole) {
    take_whole(chunk, rules, take);
    return bad;
  }
  std::string_view rest = chunk.bytes;
  RowText row;
  for (std::int64_t line = 0; !rest.empty(); ++line) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view one = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (is_blank(one)) continue;
    DocumentPart part;
    part.document = chunk.first_document + line;
    part.line = chunk.first_line + line;
    if (chunk.text.layout == Layout::kJson) {
      if (!take_row(one, place_in(chunk.text, part.line), rules, row, bad)) continue;
    } else {
      if (one.ends_with('\r')) one.remove_suffix(1);
      row.text = one;
    }
    if (rules.as_one_text) add_newline(row);
    part.text = row.text;
    part.answers = row.answers;
    part.invalid = row.lone_surrogates;
    take(part);
  }
  return bad;
}

std::int64_t count_characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

}  // namespace gpt
