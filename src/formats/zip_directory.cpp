#include "zip_directory.h"

#include <algorithm>
#include <optional>
#include <set>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"

#include "zip_records.h"

namespace gpt {

namespace {

struct End {
  std::uint64_t entries = 0, size = 0, offset = 0;  // of the directory
  std::uint64_t behind = 0;                         // the byte where the directory must end
};

std::uint64_t find_end(const ZipBytes& file) {
  constexpr std::uint64_t kLongestComment = 0xFFFF;
  if (file.size() >= zip::kEndSize) {
    std::uint64_t at = file.size() - zip::kEndSize;
    const std::uint64_t first = at > kLongestComment ? at - kLongestComment : 0;
    for (;; --at) {
      if (file.u32(at) == zip::kEnd && at + zip::kEndSize + file.u16(at + 20) == file.size())
        return at;
      if (at == first) break;
    }
  }
  file.fail("has no end-of-directory record; it is no zip archive, or it is cut short");
}

// A 32-bit field of the end record, against the 64-bit one that may stand for it.
void agree(const ZipBytes& file, std::uint64_t small, std::uint64_t marker, std::uint64_t large) {
  if (small != marker && small != large)
    file.fail("the zip64 end record contradicts the end record; the file is damaged");
}

End read_end(const ZipBytes& file) {
  const std::uint64_t at = find_end(file);
  if (file.u16(at + 4) != 0 || file.u16(at + 6) != 0 || file.u16(at + 8) != file.u16(at + 10))
    file.fail("is one part of an archive in several parts; expected a whole one");
  End end{.entries = file.u16(at + 10),
          .size = file.u32(at + 12),
          .offset = file.u32(at + 16),
          .behind = at};
  if (at >= zip::kLocator64Size && file.u32(at - zip::kLocator64Size) == zip::kLocator64) {
    const std::uint64_t at64 = file.u64(at - zip::kLocator64Size + 8);
    if (at64 > at || file.span(at64, zip::kEnd64Size).empty() || file.u32(at64) != zip::kEnd64)
      file.fail("the zip64 end record is not where its locator says; the file is damaged");
    if (file.u32(at64 + 16) != 0 || file.u32(at64 + 20) != 0 ||
        file.u64(at64 + 24) != file.u64(at64 + 32))
      file.fail("is one part of an archive in several parts; expected a whole one");
    agree(file, end.entries, zip::kSee64Short, file.u64(at64 + 32));
    agree(file, end.size, zip::kSee64, file.u64(at64 + 40));
    agree(file, end.offset, zip::kSee64, file.u64(at64 + 48));
    end = {file.u64(at64 + 32), file.u64(at64 + 40), file.u64(at64 + 48), at64};
  }
  if (end.offset > end.behind || end.size != end.behind - end.offset)
    file.fail(concat("the directory of ", end.size, " bytes at byte ", end.offset,
                     " does not end where the end record begins (byte ", end.behind,
                     "); the file is damaged"));
  return end;
}

// Entries are never unpacked to paths, and PyTorch puts the file's own name in front of theirs,
// whatever characters that has; a name that climbs out is a sign of harm all the same.
void check_name(const ZipBytes& file, const std::string& name) {
  bool plain =
      !name.empty() && name.front() != '/' && is_utf8(name) && name.find('\0') == name.npos;
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    plain = plain && name.substr(begin, end - begin) != "..";
    begin = end + 1;
  }
  if (!plain) file.fail("entry name " + quoted_name(name) + " is not a plain relative path");
}

// The zip64 values, in the order in which the format lists them, for the fields that need one.
void read_extra64(const ZipBytes& file, std::uint64_t at, std::uint64_t length,
                  std::initializer_list<std::uint64_t*> fields) {
  const std::uint64_t end = at + length;
  while (end - at >= 4) {
    const std::uint64_t size = file.u16(at + 2);
    if (size > end - at - 4) file.fail("an extra field reaches beyond its header");
    if (file.u16(at) == zip::kExtra64) {
      std::uint64_t value = at + 4;
      for (std::uint64_t* field : fields) {
        if (*field != zip::kSee64) continue;
        if (value + 8 > at + 4 + size) file.fail("a zip64 field is missing; the file is damaged");
        *field = file.u64(value);
        value += 8;
      }
      return;
    }
    at += 4 + size;
  }
  for (const std::uint64_t* field : fields)
    if (*field == zip::kSee64) file.fail("a zip64 field is missing; the file is damaged");
}

CentralEntry read_entry(const ZipBytes& file, std::uint64_t at, std::uint64_t* next) {
  if (file.u32(at) != zip::kCentral)
    file.fail(concat("byte ", at, ": expected a directory entry; the file is damaged"));
  const std::uint64_t name = file.u16(at + 28), extra = file.u16(at + 30);
  CentralEntry entry;
  entry.name = file.text(at + zip::kCentralSize, name);
  check_name(file, entry.name);
  entry.flags = file.u16(at + 8);
  entry.crc32 = file.u32(at + 16);
  entry.size = file.u32(at + 24);
  entry.local_header = file.u32(at + 42);
  entry.packed = file.u32(at + 20);
  entry.method = file.u16(at + 10);
  const std::uint64_t begin = at + zip::kCentralSize + name;
  file.span(begin, extra);
  read_extra64(file, begin, extra, {&entry.size, &entry.packed, &entry.local_header});

  const std::string where = "entry " + quoted_name(entry.name);
  if (entry.flags & 1u) file.fail(where + " is encrypted");
  if (entry.flags & ~(zip::kHasDescriptor | zip::kUtf8Names | zip::kDeflateHints))
    file.fail(concat(where, " has flags 0x", std::hex, entry.flags, ", which are not understood"));
  if (entry.method == 0 && entry.packed != entry.size)
    file.fail(where + " is stored, but its two sizes differ");
  *next = begin + extra + file.u16(at + 32);
  return entry;
}

}  // namespace

void ZipBytes::fail(const std::string& what) const {
  throw InputError(origin_ + ": " + what);
}

std::span<const std::byte> ZipBytes::span(std::uint64_t at, std::uint64_t count) const {
  if (at > bytes_.size() || count > bytes_.size() - at)
    fail(concat("bytes ", at, " to ", at, "+", count, " are beyond its end (", bytes_.size(),
                "); it is cut short or damaged"));
  return bytes_.subspan(at, count);
}

std::string_view ZipBytes::text(std::uint64_t at, std::uint64_t count) const {
  return {reinterpret_cast<const char*>(span(at, count).data()), count};
}

std::uint64_t ZipBytes::number(std::uint64_t at, std::size_t count) const {
  std::uint64_t value = 0;
  const auto bytes = span(at, count);
  for (std::size_t i = 0; i < count; ++i)
    value |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  return value;
}

CentralDirectory read_central_directory(const ZipBytes& file) {
  const End end = read_end(file);
  if (end.entries > end.size / zip::kCentralSize)
    file.fail(concat("a directory of ", end.size, " bytes cannot hold ", end.entries, " entries"));
  CentralDirectory directory{.entries = {}, .offset = end.offset};
  std::set<std::string> names;
  std::uint64_t at = end.offset;
  for (std::uint64_t i = 0; i < end.entries; ++i) {
    directory.entries.push_back(read_entry(file, at, &at));
    if (!names.insert(directory.entries.back().name).second)
      file.fail("entry " + quoted_name(directory.entries.back().name) + " comes twice");
  }
  if (at != end.behind)
    file.fail(concat("the directory's ", end.entries, " entries end at byte ", at, ", expected ",
                     end.behind, "; the file is damaged"));
  std::sort(
      directory.entries.begin(), directory.entries.end(),
      [](const CentralEntry& a, const CentralEntry& b) { return a.local_header < b.local_header; });
  return directory;
}

}  // namespace gpt
