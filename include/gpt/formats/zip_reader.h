// Zip archives as torch.save makes them (the format: PKWARE's APPNOTE 6.3.9, sections 4.3 to 4.5,
// zip64 included): their entries are stored as they are. Compressed ones may be there, but are not
// read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gpt/base/files.h"

namespace gpt {

struct ZipEntry {
  std::string name;
  std::span<const std::byte> bytes;  // valid as long as the ZipReader
  std::uint32_t crc32 = 0;
  std::uint16_t method = 0;  // of compression; 0: none
};

// An archive whose structure has been checked when the object exists: directory and local headers
// agree, every entry lies inside the file, none overlaps another, and no name comes twice, is
// absolute or climbs out with "..". Contents are checked by read().
class ZipReader {
 public:
  // InputError if the file cannot be read, is cut short, breaks the format, or holds an encrypted
  // entry.
  explicit ZipReader(const std::filesystem::path& path);

  const std::vector<ZipEntry>& entries() const { return entries_; }  // in file order
  const ZipEntry* find(std::string_view name) const;                 // nullptr if absent
  // The bytes of an entry, after comparing their CRC-32 (once); InputError if it is absent,
  // compressed or damaged.
  std::span<const std::byte> read(const std::string& name) const;

  std::string origin() const { return file_.path().string(); }

 private:
  MappedFile file_;
  std::vector<ZipEntry> entries_;
  std::map<std::string, std::size_t, std::less<>> index_;
  mutable std::set<std::string> verified_;
};

}  // namespace gpt
