#include "archive_handle.h"

#include <algorithm>
#include <new>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"

namespace gpt {

namespace {

constexpr std::size_t kBufferBytes = std::size_t{64} << 10;

}  // namespace

ArchiveHandle::ArchiveHandle(ByteSource& source)
    : source_(source), archive_(archive_read_new()), buffer_(kBufferBytes, '\0') {
  if (!archive_) throw std::bad_alloc();
}

int ArchiveHandle::open() {
  archive_read_set_callback_data(get(), this);
  archive_read_set_read_callback(get(), &read_bytes);
  if (source_.size() > 0) archive_read_set_seek_callback(get(), &seek_to);
  return archive_read_open1(get());
}

std::size_t ArchiveHandle::fill() {
  const std::size_t got = source_.read(buffer_.data(), buffer_.size());
  const std::size_t last = std::string_view(buffer_).substr(0, got).find_last_not_of('\0');
  if (last != std::string_view::npos) last_byte_ = position_ + last + 1;
  position_ += got;
  return got;
}

la_ssize_t ArchiveHandle::read_bytes(archive*, void* self, const void** bytes) {
  auto& handle = *static_cast<ArchiveHandle*>(self);
  try {
    *bytes = handle.buffer_.data();
    return static_cast<la_ssize_t>(handle.fill());
  } catch (...) {  // libarchive is C
    handle.error_ = std::current_exception();
    return ARCHIVE_FATAL;
  }
}

la_int64_t ArchiveHandle::seek_to(archive*, void* self, la_int64_t offset, int whence) {
  auto& handle = *static_cast<ArchiveHandle*>(self);
  const auto size = static_cast<la_int64_t>(handle.source_.size());
  if (whence == SEEK_CUR) offset += static_cast<la_int64_t>(handle.position_);
  if (whence == SEEK_END) offset += size;
  if (offset < 0 || offset > size || !handle.source_.seek(static_cast<std::uint64_t>(offset)))
    return ARCHIVE_FATAL;
  handle.position_ = static_cast<std::uint64_t>(offset);
  return offset;
}

void ArchiveHandle::throw_failure(const std::string& name, std::string_view format) const {
  if (error_) std::rethrow_exception(error_);
  if (source_.stopped()) return;
  const char* said = archive_error_string(archive_.get());
  const std::string problem = terminal_safe_line(said ? said : "it is damaged");
  if (problem.find("runcated") != problem.npos) throw_cut(name, format);
  throw_damaged(name, format, problem);
}

std::uint64_t ArchiveHandle::end_of_bytes() {
  while (fill() > 0) continue;
  return last_byte_;
}

std::string text_after_end(const std::string& name, std::string_view format, std::uint64_t bytes) {
  return concat(name, ": the ", bytes, " bytes after the end of its ", format,
                " data are left out; if they should be text, the file is damaged: get it again");
}

void throw_cut(const std::string& name, std::string_view format) {
  throw InputError(
      concat(name, ": ends in the middle of its ", format,
             " data: it is cut; copy or download it again (what was prepared before it "
             "is kept)"));
}

void throw_damaged(const std::string& name, std::string_view format, const std::string& problem) {
  throw InputError(concat(name, ": its ", format, " data cannot be unpacked: ", problem,
                          "; copy or download it again (what was prepared before it is kept)"));
}

}  // namespace gpt
