// A token file while it grows; an interrupted one can be resumed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "gpt/base/checksum.h"
#include "gpt/base/files.h"

namespace gpt {

class TokenWriter {
 public:
  struct Extent {
    std::uint64_t bytes = 0;
    std::uint32_t crc = 0;  // CRC-32C of those
    bool operator==(const Extent&) const = default;
  };

  // Keeps the first `from.bytes` of the file and drops what follows. IoError.
  TokenWriter(const fs::path& path, const Extent& from);

  // Whether `path` has at least that much.
  static bool can_resume(const fs::path& path, const Extent& from);

  void write(std::string_view bytes);
  void sync() { file_.sync(); }
  void close();  // after a sync
  const Extent& extent() const { return extent_; }

 private:
  OutputFile file_;
  Extent extent_;
};

}  // namespace gpt
