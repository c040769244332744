// libarchive's reader over a ByteSource.
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <exception>
#include <memory>
#include <string>
#include <string_view>

#include "gpt/dataprep/byte_source.h"

namespace gpt {

class ArchiveHandle {
 public:
  explicit ArchiveHandle(ByteSource& source);  // must outlive it

  archive* get() { return archive_.get(); }
  // To be called once its formats and filters are chosen. A result of libarchive's.
  int open();

  // Throws the source's own error, if that is what made libarchive fail, or else an InputError;
  // returns if the work was stopped.
  void throw_failure(const std::string& name, std::string_view format) const;

  // Reads the source to its end: where its last byte that is not zero ends.
  std::uint64_t end_of_bytes();

 private:
  static la_ssize_t read_bytes(archive*, void* self, const void** bytes);
  static la_int64_t seek_to(archive*, void* self, la_int64_t offset, int whence);
  std::size_t fill();

  struct Free {
    void operator()(archive* handle) const { archive_read_free(handle); }
  };
  ByteSource& source_;
  std::unique_ptr<archive, Free> archive_;
  std::string buffer_;
  std::exception_ptr error_;     // of the source
  std::uint64_t position_ = 0;   // in the source's bytes
  std::uint64_t last_byte_ = 0;  // behind the last one that is not zero
};

// "NAME: 12 bytes after the end of its gzip data ..."
std::string text_after_end(const std::string& name, std::string_view format, std::uint64_t bytes);
// InputErrors of one file.
[[noreturn]] void throw_cut(const std::string& name, std::string_view format);
[[noreturn]] void throw_damaged(const std::string& name, std::string_view format,
                                const std::string& problem);

}  // namespace gpt
