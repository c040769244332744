// The files behind the inputs of `prepare`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "gpt/dataprep/left_out.h"

namespace gpt {

// Where documents begin and end: a text is one, or each of its lines, or a text in each line's JSON
// object.
enum class Layout { kWhole, kLines, kJson };

// From so many texts on, single documents are small against the whole.
inline constexpr std::int64_t kManyTexts = 1000;

using StopCheck = std::function<bool()>;  // true: the work is to end

struct SourceFile {
  std::filesystem::path path;  // "-": standard input; or another stream's, /dev/fd/63
  std::uint64_t bytes = 0;     // on disk; of a stream 0 where they are not known
  std::int64_t modified = 0;   // nanoseconds
  bool stream = false;         // standard input or its like: it can be read once
  std::string head;            // of a stream: what was read to see what it is
  // What it holds: kWhole of an archive if all of its texts are. One with many, and one in a
  // stream, which cannot be looked through beforehand, has kManyTexts.
  Layout layout = Layout::kWhole;
  std::int64_t texts = 1;

  std::string name() const;  // for messages
};

struct SourceFiles {
  std::vector<SourceFile> files;  // in the order in which they make up the text
  LeftOut left_out;               // of folders
  bool stopped = false;           // before all were looked at

  std::uint64_t total_bytes() const;

  // Whether the file on disk is still the one that was listed, as far as size and time tell.
  static bool is_unchanged(const SourceFile& file);
  // The error of one that changed between two reads.
  [[noreturn]] static void changed(const SourceFile& file);
};

// The largest dictionary of xz, 2 GiB less a little, and its tables; the largest window of zstd.
inline constexpr std::uint64_t kMostUnpackingMemory = std::uint64_t{2200} << 20;

// How inputs are taken. With "auto" their content decides: JSON lines, an array of JSON objects and
// parquet hold a document a row, all else is one document; "file", "line" and "jsonl" are for all
// inputs.
struct InputRules {
  std::string document = "auto";
  std::string encoding = "auto";             // of texts without a byte order mark; auto: UTF-8
  std::vector<std::string> keys = {"text"};  // of rows: the columns that parquet is asked for
  std::uint64_t unpacking_memory = kMostUnpackingMemory;
};

// Files are taken as they are; patterns (* ? [) give what matches, sorted; "-" is standard input,
// and the streams that the caller opened for us (/dev/fd/63, a shell's `<(command)`) are like it;
// folders give their text files, at any depth, sorted by path, and name what they leave out. Links
// in a folder are followed, and what several of them lead to is taken once. Dataset files
// (train.bin, val.bin, meta.json and what belongs to them) directly in `out_dir` are no input.
// InputError names an input that is missing, cannot be read or is no text, and says what it is.
SourceFiles find_source_files(const std::vector<std::filesystem::path>& inputs,
                              const std::filesystem::path& out_dir, const InputRules& rules = {},
                              const StopCheck& stop = {});

}  // namespace gpt
