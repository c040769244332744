// The central directory of a zip file, checked against the file around it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gpt/formats/zip_reader.h"

namespace gpt {

// A file's bytes with reads that cannot leave it.
class ZipBytes {
 public:
  ZipBytes(std::span<const std::byte> bytes, const std::string& origin)
      : bytes_(bytes), origin_(origin) {}

  std::uint64_t size() const { return bytes_.size(); }
  // Little endian; InputError if it reaches beyond the end.
  std::uint16_t u16(std::uint64_t at) const { return static_cast<std::uint16_t>(number(at, 2)); }
  std::uint32_t u32(std::uint64_t at) const { return static_cast<std::uint32_t>(number(at, 4)); }
  std::uint64_t u64(std::uint64_t at) const { return number(at, 8); }
  std::span<const std::byte> span(std::uint64_t at, std::uint64_t count) const;
  std::string_view text(std::uint64_t at, std::uint64_t count) const;
  [[noreturn]] void fail(const std::string& what) const;

 private:
  std::uint64_t number(std::uint64_t at, std::size_t count) const;

  std::span<const std::byte> bytes_;
  const std::string& origin_;
};

struct CentralEntry {
  std::string name;
  std::uint16_t flags = 0, method = 0;  // 0: stored as it is
  std::uint32_t crc32 = 0;
  std::uint64_t size = 0, packed = 0;  // packed: bytes in the file
  std::uint64_t local_header = 0;      // its byte
};

struct CentralDirectory {
  std::vector<CentralEntry> entries;  // sorted by local_header
  std::uint64_t offset = 0;           // where it begins: the end of the last entry
};

// InputError for anything that the format does not allow or that this program does not read.
CentralDirectory read_central_directory(const ZipBytes& file);

}  // namespace gpt
