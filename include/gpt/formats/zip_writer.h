// Zip archives as torch.save lays them out: entries stored, each one's data at a multiple of 64
// bytes, zip64 where sizes need it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gpt/base/files.h"

namespace gpt {

class ZipWriter {
 public:
  static constexpr std::uint64_t kAlignment = 64;

  // Sizes and offsets from `zip64_from` on are written as zip64; only tests have a use for less
  // than the format's own limit. Throws IoError, here and below, if the disk does not take it.
  explicit ZipWriter(const std::filesystem::path& path, std::uint64_t zip64_from = 0xFFFFFFFFu);

  // Error if `name` was added before.
  void add(const std::string& name, std::span<const std::byte> bytes);
  void add(const std::string& name, std::string_view text);
  // Writes the directory and fsyncs. Returns the size of the file.
  std::uint64_t finish();

 private:
  struct Entry {
    std::string name;
    std::uint32_t crc32;
    std::uint64_t size, offset;
  };
  void write(std::string_view text);
  std::string central_record(const Entry& entry) const;

  OutputFile file_;
  std::uint64_t zip64_from_;
  std::uint64_t at_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace gpt
