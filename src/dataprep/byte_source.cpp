#include "gpt/dataprep/byte_source.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <thread>
#include <unistd.h>

#include "gpt/base/error.h"
#include "gpt/base/input_file.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

constexpr int kPatienceMs = 100;

}  // namespace

std::size_t ByteSource::read(char* to, std::size_t size) {
  if (at_ == ahead_.size()) return size == 0 ? 0 : read_more(to, size);
  const std::size_t got = std::min(size, ahead_.size() - at_);
  std::memcpy(to, ahead_.data() + at_, got);
  at_ += got;
  if (at_ == ahead_.size()) drop_ahead();
  return got;
}

std::string_view ByteSource::peek(std::size_t size) {
  while (ahead_.size() - at_ < size) {
    const std::size_t have = ahead_.size(), wanted = size - (have - at_);
    ahead_.resize(have + wanted);
    const std::size_t got = read_more(ahead_.data() + have, wanted);
    ahead_.resize(have + got);
    if (got == 0) break;
  }
  return std::string_view(ahead_).substr(at_, size);
}

void ByteSource::skip(std::size_t size) {
  char bytes[256];
  while (size > 0) {
    const std::size_t got = read(bytes, std::min(size, sizeof bytes));
    if (got == 0) return;
    size -= got;
  }
}

FileSource::FileSource(const SourceFile& file, StopCheck stop, std::string* record)
    : file_(file), stop_(std::move(stop)), record_(record) {
  descriptor_ = file.path == "-" ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                 : InputFile(file.path, Streams::kHandedOver).release();
  if (descriptor_ < 0) throw InputError(IoError(file.name(), "open", errno).what());
}

FileSource::~FileSource() {
  close(descriptor_);
}

bool FileSource::seek(std::uint64_t byte) {
  if (file_.stream || lseek(descriptor_, static_cast<off_t>(byte), SEEK_SET) < 0) return false;
  drop_ahead();
  given_ = byte;
  return true;
}

// Streams may be silent for long; a stop must not wait for them.
bool FileSource::wait_for_input() const {
  if (!file_.stream) return !stopped();
  pollfd wanted{.fd = descriptor_, .events = POLLIN, .revents = 0};
  while (!stopped())
    if (poll(&wanted, 1, kPatienceMs) > 0) return true;
  return false;
}

std::size_t FileSource::read_more(char* to, std::size_t size) {
  if (head_given_ < file_.head.size()) {
    size = std::min(size, file_.head.size() - head_given_);
    std::memcpy(to, file_.head.data() + head_given_, size);
    head_given_ += size;
    given_ += size;
    return size;
  }
  if (!file_.stream)
    size = std::min<std::uint64_t>(size, file_.bytes - std::min(given_, file_.bytes));
  if (size == 0 || !wait_for_input()) return 0;
  ssize_t got;
  do {
    got = ::read(descriptor_, to, size);
  } while (got < 0 && errno == EINTR);
  if (got < 0) throw InputError(IoError(file_.name(), "read", errno).what());
  if (got == 0) check_end();
  if (record_) record(std::string_view(to, static_cast<std::size_t>(got)));
  given_ += static_cast<std::uint64_t>(got);
  return static_cast<std::size_t>(got);
}

void FileSource::record(std::string_view bytes) {
  constexpr std::size_t kMost = std::size_t{64} << 20;  // it is kept in memory
  record_->append(bytes);
  if (record_->size() > kMost)
    throw InputError(concat(file_.name(), ": there is no text among its first ", kMost >> 20,
                            " MiB; save it to a file, and give that"));
}

void FileSource::check_end() const {
  if (!file_.stream) SourceFiles::changed(file_);  // shorter than it was
  if (record_) return;
  // Ctrl-C ends the program that feeds us as well: this end may be no end, but the stop's first
  // sign.
  for (int i = 0; i < 3 && !stopped(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(kPatienceMs));
}

}  // namespace gpt
