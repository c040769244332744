#include "gpt/dataprep/token_writer.h"

#include <span>

#include "gpt/base/error.h"

namespace gpt {

namespace {

// Opens the file at its first `bytes` bytes.
OutputFile opened(const fs::path& path, std::uint64_t bytes) {
  if (bytes == 0) return OutputFile(path);
  OutputFile file(path, OutputFile::kAppend);
  file.truncate(bytes);
  return file;
}

}  // namespace

TokenWriter::TokenWriter(const fs::path& path, const Extent& from)
    : file_(opened(path, from.bytes)), extent_(from) {}

bool TokenWriter::can_resume(const fs::path& path, const Extent& from) {
  std::error_code error;
  const std::uintmax_t bytes = fs::file_size(path, error);
  return from.bytes == 0 || (!error && bytes >= from.bytes);
}

void TokenWriter::write(std::string_view bytes) {
  if (bytes.empty()) return;
  Crc32c crc(extent_.crc);
  crc.update(std::as_bytes(std::span(bytes)));
  file_.write(bytes);
  extent_ = {extent_.bytes + bytes.size(), crc.value()};
}

void TokenWriter::close() {
  file_.sync();
  file_.close();
}

}  // namespace gpt
