// The files behind the inputs of `prepare`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace gpt {

enum class Packing { kNone, kGzip, kZstd, kParquet, kStdin };

// Where documents begin and end: a file is one, or each of its lines, or a text in each line's JSON
// object.
enum class Layout { kWhole, kLines, kJson };

struct SourceFile {
  std::filesystem::path path;  // "-": standard input; of kStdin also another stream's, /dev/fd/63
  std::uint64_t bytes = 0;     // on disk; of standard input 0 where they are not known
  std::int64_t modified = 0;   // nanoseconds
  Packing packing = Packing::kNone;
  Layout layout = Layout::kWhole;

  std::string name() const;  // for messages
};

struct SourceFiles {
  std::vector<SourceFile> files;    // in the order in which they make up the text
  std::int64_t skipped_empty = 0;   // in folders
  std::int64_t skipped_binary = 0;  // in folders: a NUL byte among the first 8 KiB

  std::uint64_t total_bytes() const;

  // Whether the file on disk is still the one that was listed, as far as size and time tell.
  static bool is_unchanged(const SourceFile& file);
  // The error of one that changed between two reads.
  [[noreturn]] static void changed(const SourceFile& file);
};

// How inputs are taken: "auto" goes by the name (.jsonl and .ndjson, with or without .gz or .zst,
// and .parquet hold a document a line or row, all else is one document); "file", "line" and
// "jsonl" are for all inputs.
struct InputRules {
  std::string document = "auto";
};

// Files are taken as they are; patterns (* ? [) give what matches, sorted; "-" is standard input,
// and the streams that the caller opened for us (/dev/fd/63, a shell's `<(command)`) are like it;
// folders give their regular files, at any depth, sorted by path. Links to files are followed,
// links to folders inside a folder are not, so that loops cannot trap us. Dataset files (train.bin,
// val.bin, meta.json and what belongs to them) directly in `out_dir` are no input. InputError names
// an input that is missing or cannot be read.
SourceFiles find_source_files(const std::vector<std::filesystem::path>& inputs,
                              const std::filesystem::path& out_dir, const InputRules& rules = {});

}  // namespace gpt
