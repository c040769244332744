// The texts of one input as UTF-8: a file as it is, unpacked or decoded, an archive's members,
// parquet, or standard input.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "gpt/dataprep/archive_members.h"
#include "gpt/dataprep/byte_source.h"
#include "gpt/dataprep/source_files.h"
#include "gpt/dataprep/unpacking.h"

namespace gpt {

// A text that is to be read.
struct TextFacts {
  std::string name;  // for messages; with an archive's name before a member's
  Layout layout = Layout::kWhole;
  bool numbered_rows = false;  // a line is a row of an array, and no line of the file
  bool decoded = false;        // from another encoding: U+FFFD stands for what was ill-formed
  bool json_object = false;    // begins with one object over several lines
  bool empty = false;
};

// What a file is that is no text, and is not to be read as one.
struct Refusal {
  NoText reason;
  std::string what;  // "a PNG image"
};

class InputStream {
 public:
  // With `record`, which is for a first look, what is read of a stream is kept there. InputError if
  // it cannot be opened, or names the program that is missing and the package that has it.
  InputStream(const SourceFile& file, const InputRules& rules, StopCheck stop = {},
              std::string* record = nullptr);
  ~InputStream();
  InputStream(const InputStream&) = delete;
  InputStream& operator=(const InputStream&) = delete;

  // To the next text, the first at first; false behind the last one, or once stopped. InputError
  // for what cannot be unpacked, and for a file that is no text; members that are none are left
  // out.
  bool next_text();
  // The same, but a file that is no text is left for the caller to judge.
  bool next_text(std::optional<Refusal>& refusal);
  const TextFacts& text() const { return text_; }

  // Up to `size` bytes of the text, at least one; 0 at its end, or once stopped.
  std::size_t read(char* to, std::size_t size);

  bool is_archive() const { return members_ != nullptr; }
  bool is_parquet() const { return parquet_; }           // before any text is asked for
  const LeftOut& left_out() const { return left_out_; }  // of an archive, so far
  const std::vector<std::string>& warnings() const { return unpacking_.warnings; }
  // Bytes of the file on disk that are behind us; of parquet, what its program has taken.
  std::uint64_t consumed() const;

 private:
  bool open_file(std::optional<Refusal>& refusal);
  bool next_member(std::optional<Refusal>& refusal);
  std::unique_ptr<ByteSource> unpack(std::unique_ptr<ByteSource> bytes, const std::string& name,
                                     Packing& archive);
  std::optional<Refusal> open_text(std::unique_ptr<ByteSource> bytes, const std::string& name);
  void check_growth() const;

  const SourceFile& file_;
  const InputRules rules_;
  const StopCheck stop_;
  bool parquet_ = false;
  std::unique_ptr<FileSource> opened_;  // until it is below something
  std::unique_ptr<FileSource> parquet_file_;
  const FileSource* disk_ = nullptr;
  Unpacking unpacking_;
  std::unique_ptr<ArchiveMembers> members_;
  std::unique_ptr<ByteSource> bytes_;  // of the text
  TextFacts text_;
  LeftOut left_out_;
  std::uint64_t given_ = 0;  // bytes, of all texts
};

}  // namespace gpt
