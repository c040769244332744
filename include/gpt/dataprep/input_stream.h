// The text of one input as a stream of bytes: a file as it is, unpacked, or standard input.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>

#include "gpt/dataprep/source_files.h"

namespace gpt {

class ChildProcess;

// Packed files go through a child process: gzip or zstd, or for parquet Python with the helper
// script parquet_text.py, which gives one JSON object a row.
class InputStream {
 public:
  // `text_key` names the column of a parquet file. InputError if it cannot be opened, or names the
  // program that is missing and the package that has it.
  InputStream(const SourceFile& file, const std::string& text_key);
  ~InputStream();
  InputStream(const InputStream&) = delete;
  InputStream& operator=(const InputStream&) = delete;

  // Up to `size` bytes, at least one; 0 at the end, or once `stop` is requested. A plain file ends
  // at the size it had when it was listed. InputError for what cannot be read or unpacked.
  std::size_t read(char* to, std::size_t size, const std::stop_token& stop);

  // Bytes of the file on disk that are behind us; of a packed one, what its program has taken.
  std::uint64_t consumed() const;

 private:
  bool wait_for_input(const std::stop_token& stop) const;
  void check_end(const std::stop_token& stop);

  const SourceFile& file_;
  int descriptor_ = -1;                   // of the file
  std::unique_ptr<ChildProcess> unpack_;  // of a packed one
  std::uint64_t given_ = 0;               // bytes
};

}  // namespace gpt
