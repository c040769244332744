// CRC-32C (Castagnoli, RFC 3720 appendix B.4), the checksum of checkpoints, and CRC-32 as zip and
// gzip have it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace gpt {

class Crc32c {
 public:
  Crc32c() = default;
  // Continues where one of this value() stopped.
  explicit Crc32c(std::uint32_t value) : state_(~value) {}

  void update(std::span<const std::byte> bytes);
  std::uint32_t value() const { return ~state_; }

 private:
  std::uint32_t state_ = 0xFFFFFFFFu;
};

std::uint32_t crc32c(std::span<const std::byte> bytes);

// Of a whole file, read in pieces. InputError if it cannot be read.
std::uint32_t crc32c_of_file(const std::filesystem::path& path);

// The same without the CPU's CRC instruction; what machines without SSE4.2 run.
std::uint32_t crc32c_by_table(std::span<const std::byte> bytes);

// ISO 3309, polynomial 0x04C11DB7 reflected.
std::uint32_t crc32(std::span<const std::byte> bytes);

// Eight lower-case hex digits.
std::string hex32(std::uint32_t value);

}  // namespace gpt
