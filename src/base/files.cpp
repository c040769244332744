#include "gpt/base/files.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <memory>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <utility>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

#include "file_calls.h"
#include "map_registry.h"

namespace gpt {

namespace {

// InputError where the path is at fault, with what to look at.
[[noreturn]] void cannot_read(const fs::path& path, int error) {
  throw InputError(path.string() + ": cannot read: " + std::strerror(error));
}

}  // namespace

// read(2), not a map: pipes work, and a bad sector is an error instead of a signal.
std::string read_file(const fs::path& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) cannot_read(path, errno);
  std::string text;
  char chunk[1 << 16];
  for (;;) {
    const ssize_t got = read(descriptor, chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      const int error = got < 0 ? errno : 0;
      ::close(descriptor);
      if (error != 0) cannot_read(path, error);
      return text;
    }
    text.append(chunk, static_cast<std::size_t>(got));
  }
}

void replace_file(const fs::path& path, std::string_view text) {
  const fs::path beside = path.string() + concat(".tmp-", getpid());
  try {
    OutputFile file(beside);
    file.write(text);
    file.sync();
    file.close();
    rename_path(beside, path);
  } catch (...) {
    unlink(beside.c_str());
    throw;
  }
  sync_directory(path.has_parent_path() ? path.parent_path() : fs::path("."));
}

OutputFile::OutputFile(const fs::path& path, Mode mode) : path_(path) {
  const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (mode == kAppend ? O_APPEND : O_TRUNC);
  descriptor_ = file_call("open", path, [&] { return open(path.c_str(), flags, 0644); });
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

void OutputFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    // Linux writes at most 2 GiB a call.
    std::size_t length = std::min<std::size_t>(bytes.size(), std::size_t{1} << 30);
    const auto written = file_call(
        "write", path_, [&] { return ::write(descriptor_, bytes.data(), length); }, &length);
    if (written == 0) throw IoError(path_.string(), "write", EIO);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void OutputFile::write(std::string_view text) {
  write(std::as_bytes(std::span(text.data(), text.size())));
}

void OutputFile::sync() {
  file_call("fsync", path_, [&] { return fsync(descriptor_); });
}

void OutputFile::close() {
  const int descriptor = std::exchange(descriptor_, -1);
  // Network file systems report a full disk here; EINTR leaves the descriptor closed on Linux.
  if (const int fault = injected_fault("close", path_, nullptr); fault != 0) {
    ::close(descriptor);
    throw IoError(path_.string(), "close", fault);
  }
  if (::close(descriptor) != 0 && errno != EINTR) throw IoError(path_.string(), "close", errno);
}

std::uint64_t OutputFile::size() const {
  struct stat facts {};
  file_call("fstat", path_, [&] { return fstat(descriptor_, &facts); });
  return static_cast<std::uint64_t>(facts.st_size);
}

void OutputFile::truncate(std::uint64_t size) {
  file_call("ftruncate", path_, [&] { return ftruncate(descriptor_, static_cast<off_t>(size)); });
}

MappedFile::MappedFile(const fs::path& path) : path_(path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) cannot_read(path, errno);
  struct stat facts {};
  int error = fstat(descriptor, &facts) != 0 ? errno : S_ISDIR(facts.st_mode) ? EISDIR : 0;
  if (error == 0 && !S_ISREG(facts.st_mode)) error = EINVAL;
  if (error == 0 && facts.st_size > 0) {
    size_ = static_cast<std::size_t>(facts.st_size);
    void* data = mmap(nullptr, size_, PROT_READ, MAP_SHARED, descriptor, 0);
    if (data == MAP_FAILED)
      error = errno;
    else
      data_ = static_cast<const std::byte*>(data);
  }
  if (data_) record_ = std::make_unique<MapRecord>(path_, facts, bytes());
  ::close(descriptor);
  if (error != 0) cannot_read(path, error);
}

MappedFile::~MappedFile() {
  record_.reset();
  if (data_) munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      record_(std::move(other.record_)) {}

void MappedFile::check_unchanged() const {
  if (record_) record_->check_unchanged();
}

}  // namespace gpt
