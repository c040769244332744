// A stretch of one input's text, small enough for memory: what one thread tokenizes in one go.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gpt/dataprep/input_stream.h"
#include "gpt/dataprep/json_text.h"

namespace gpt {

// All that reading needs to resume from a place.
struct ReadPosition {
  std::uint64_t file = 0;       // its index among the sources
  std::uint64_t text = 0;       // of those in it: of an archive, how many lie before here
  std::uint64_t offset = 0;     // bytes of them before here
  std::uint32_t crc = 0;        // CRC-32C of those
  std::int64_t line = 0;        // lines of the text before here
  std::int64_t document = 0;    // the document that is next, or that we are within
  bool inside = false;          // within it
  std::uint64_t all_bytes = 0;  // of text, over all inputs
  std::uint32_t all_crc = 0;    // CRC-32C of those
};

// A file that was read to its end: as it was on disk, and its text.
struct FileStamp {
  std::uint64_t bytes = 0;
  std::int64_t modified = 0;
  std::uint64_t text_bytes = 0;
  std::uint32_t text_crc = 0;
  bool operator==(const FileStamp&) const = default;
};

struct TextChunk {
  std::string bytes;
  std::size_t file = 0;  // index among the sources
  TextFacts text;        // of which it is a part
  bool begins = true;    // Layout::kWhole: the document begins with the chunk,
  bool ends = true;      // ... ends with it
  std::int64_t first_document = 0;
  std::int64_t first_line = 1;        // counted from 1: lines, or rows of an array
  ReadPosition after;                 // the place behind it
  std::optional<FileStamp> finished;  // the chunk is its file's last
  double disk_bytes = 0;              // of all inputs, read so far
};

// A document, or the part of one that a chunk holds.
struct DocumentPart {
  std::string_view text;
  std::int64_t document = 0;  // counted over all inputs; a line is one even if it is blank
  std::int64_t line = 1;      // where it begins
  bool begins = true, ends = true;
  std::int64_t invalid = 0;                // ill-formed things that are not in `text` any more
  std::span<const TextSpan> answers = {};  // stretches of `text` that the model is to learn
};

struct DocumentRules {
  RowPattern rows = RowPattern::of_key("text");  // of Layout::kJson
  bool skip_bad_rows = false;                    // ... those without such a text
  // For nanoGPT's character vocabularies, which do without a token between documents: \r\n and \r
  // become \n as in Python's text mode, and a document of a line keeps a newline at its end.
  bool as_one_text = false;
};

// Rows that were left out.
struct BadRows {
  std::int64_t count = 0;
  std::vector<std::string> first;  // what is wrong with the first few
  void add(const std::string& problem);
  void add(const BadRows& more);
};

// Calls `take` for each part, in order. Blank lines are no documents. InputError names file and
// line. Gives back the rows that were left out, where the rules have it so.
BadRows for_each_part(const TextChunk& chunk, const DocumentRules& rules,
                      const std::function<void(const DocumentPart&)>& take);

// A place in a text for messages: "notes.txt:3", "rows.json: row 3".
std::string place_in(const TextFacts& text, std::int64_t line);

// UTF-8 sequences of a text, ill-formed bytes aside: Python's len().
std::int64_t count_characters(std::string_view text);

}  // namespace gpt
