// A file opened to be read, from its beginning, without ever waiting for a pipe that has no writer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace gpt {

// Streams are pipes, sockets, terminals and devices. Only those that whoever started the program
// has opened for it can be worth waiting for: they are called /dev/stdin, /dev/fd/N or
// /proc/self/fd/N, as a shell's `<(command)` is.
enum class Streams { kRefused, kHandedOver };

// The N of such a name.
std::optional<int> handed_over(const std::filesystem::path& path);

class InputFile {
 public:
  // InputError where the path is at fault: "PATH: cannot read: ...", or what it is instead of a
  // regular file.
  explicit InputFile(const std::filesystem::path& path, Streams streams = Streams::kRefused);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  // Up to `size` bytes, at least one; 0 at the end. InputError.
  std::size_t read(void* to, std::size_t size);
  void seek(std::uint64_t byte);

  int descriptor() const { return descriptor_; }
  int release();  // the descriptor, now the caller's

 private:
  std::filesystem::path path_;
  int descriptor_;
};

}  // namespace gpt
