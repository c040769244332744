#include "gpt/base/files.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "gpt/base/error.h"
#include "gpt/base/input_file.h"
#include "gpt/base/replace.h"
#include "gpt/base/strings.h"

#include "file_calls.h"
#include "file_system_support.h"
#include "map_registry.h"
#include "open_file.h"

namespace gpt {

namespace {

// What is appended to a file that has a second name would appear under both (a run copied with
// `cp -al`): this name gets a file of its own.
void unshare(const fs::path& path) {
  Replacement replacement(path, replace_anything);
  InputFile from(path);
  OutputFile to(replacement.fresh());
  std::string chunk(std::size_t{1} << 20, '\0');
  while (const std::size_t got = from.read(chunk.data(), chunk.size()))
    to.write(std::string_view(chunk).substr(0, got));
  to.sync();
  to.close();
  replacement.commit();
}

Descriptor opened(const fs::path& path, OutputFile::Mode mode) {
  if (mode == OutputFile::kCreate) return open_new(path);
  constexpr int kAppend = O_WRONLY | O_APPEND;
  Descriptor file = open_to_change(path, kAppend);
  if (name_count(file.number()) < 2) return file;
  unshare(path);
  return open_to_change(path, kAppend);
}

}  // namespace

// read(2), not a map: pipes that were handed to us work, and a bad sector is an error instead of a
// signal.
std::string read_file(const fs::path& path) {
  InputFile file(path, Streams::kHandedOver);
  std::string text;
  char chunk[1 << 16];
  while (const std::size_t got = file.read(chunk, sizeof chunk)) text.append(chunk, got);
  return text;
}

std::string read_small_file(const fs::path& path, std::uint64_t most, const std::string& what) {
  InputFile file(path, Streams::kHandedOver);
  std::string text;
  char chunk[1 << 16];
  while (text.size() <= most) {
    const std::size_t got = file.read(chunk, sizeof chunk);
    if (got == 0) break;
    text.append(chunk, got);
  }
  if (text.size() > most)
    throw InputError(concat(path.string(), ": is too large; expected ", what, " of at most ",
                            human_bytes(most)));
  return text;
}

void replace_file(const fs::path& path, std::string_view text) {
  Replacement replacement(path, replace_anything);
  OutputFile file(replacement.fresh());
  file.write(text);
  file.sync();
  file.close();
  replacement.commit();
}

OutputFile::OutputFile(const fs::path& path, Mode mode)
    : path_(path), descriptor_(opened(path, mode).release()) {}

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
  try {
    file_call("fsync", path_, [&] { return fsync(descriptor_); });
  } catch (const IoError& error) {
    if (!is_not_supported(error.error())) throw;
    warn_unsupported(Unsupported::kFileSync, path_, error.error());
  }
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

namespace {

// Where a file system cannot map files: its bytes in memory of our own, MAP_FAILED with errno.
void* read_whole(int descriptor, std::size_t size) {
  void* data = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) return data;
  for (std::size_t at = 0; at < size;) {
    const ssize_t got =
        pread(descriptor, static_cast<char*>(data) + at, size - at, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      const int error = got < 0 ? errno : EIO;
      munmap(data, size);
      errno = error;
      return MAP_FAILED;
    }
    at += static_cast<std::size_t>(got);
  }
  return data;
}

// MAP_FAILED with errno.
void* map_whole(const fs::path& path, int descriptor, std::size_t size) {
  if (const int fault = injected_fault("mmap", path, nullptr); fault != 0) {
    errno = fault;
    return MAP_FAILED;
  }
  return mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor, 0);
}

}  // namespace

MappedFile::MappedFile(const fs::path& path) : path_(path) {
  const InputFile file(path);
  struct stat facts {};
  int error = fstat(file.descriptor(), &facts) != 0 ? errno : 0;
  if (error == 0 && facts.st_size > 0) {
    size_ = static_cast<std::size_t>(facts.st_size);
    void* data = map_whole(path, file.descriptor(), size_);
    if (data == MAP_FAILED && is_not_supported(errno)) {
      warn_unsupported(Unsupported::kMap, path, errno);
      data = read_whole(file.descriptor(), size_);
    }
    if (data == MAP_FAILED)
      error = errno;
    else
      data_ = static_cast<const std::byte*>(data);
  }
  if (error != 0) throw InputError(path.string() + ": cannot read: " + std::strerror(error));
  if (data_) record_ = std::make_unique<MapRecord>(path_, facts, bytes());
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
