#include "gpt/formats/zip_reader.h"

#include <utility>

#include "gpt/base/checksum.h"
#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"

#include "zip_directory.h"
#include "zip_records.h"

namespace gpt {

namespace {

// The length of the descriptor behind an entry's data; it has a signature or not, and sizes of 32
// or 64 bits, and must repeat what the directory says.
std::uint64_t descriptor_length(const ZipBytes& file, std::uint64_t at, const CentralEntry& entry) {
  for (const std::uint64_t signature : {4u, 0u}) {
    if (signature && file.u32(at) != zip::kDescriptor) continue;
    const std::uint64_t crc = at + signature;
    if (file.u32(crc) != entry.crc32) continue;
    if (file.u32(crc + 4) == entry.packed && file.u32(crc + 8) == entry.size) return signature + 12;
    if (file.u64(crc + 4) == entry.packed && file.u64(crc + 12) == entry.size)
      return signature + 20;
  }
  file.fail("entry " + quoted_name(entry.name) +
            ": what follows its data contradicts the directory; the file is damaged");
}

// The zip64 sizes of a local header, where its 32-bit ones refer to them.
bool local_sizes_agree(const ZipBytes& file, const CentralEntry& entry, std::uint64_t extra,
                       std::uint64_t extra_length) {
  const std::uint64_t at = entry.local_header;
  std::uint64_t packed = file.u32(at + 18), size = file.u32(at + 22);
  for (std::uint64_t field = extra; extra + extra_length - field >= 4;) {
    const std::uint64_t length = file.u16(field + 2);
    if (file.u16(field) == zip::kExtra64 && length >= 16) {
      if (size == zip::kSee64) size = file.u64(field + 4);
      if (packed == zip::kSee64) packed = file.u64(field + 12);
    }
    if (length > extra + extra_length - field - 4) break;
    field += 4 + length;
  }
  const bool later = (entry.flags & zip::kHasDescriptor) != 0 && size == 0 && packed == 0;
  return later ||
         (size == entry.size && packed == entry.packed && file.u32(at + 14) == entry.crc32);
}

// The data of an entry; `end` gets the byte behind all that belongs to it.
std::span<const std::byte> locate(const ZipBytes& file, const CentralEntry& entry,
                                  std::uint64_t* end) {
  const std::string where = "entry " + quoted_name(entry.name);
  const std::uint64_t at = entry.local_header;
  file.span(at, zip::kLocalSize);
  const std::uint64_t name = file.u16(at + 26), extra = file.u16(at + 28);
  const std::uint64_t data = at + zip::kLocalSize + name + extra;
  if (file.u32(at) != zip::kLocal || file.text(at + zip::kLocalSize, name) != entry.name ||
      file.u16(at + 6) != entry.flags || file.u16(at + 8) != entry.method)
    file.fail(where + ": its header contradicts the directory; the file is damaged");
  const auto bytes = file.span(data, entry.packed);
  if (!local_sizes_agree(file, entry, data - extra, extra))
    file.fail(where + ": the sizes in its header contradict the directory; the file is damaged");
  *end = data + entry.packed;
  if (entry.flags & zip::kHasDescriptor) *end += descriptor_length(file, *end, entry);
  return bytes;
}

}  // namespace

ZipReader::ZipReader(const std::filesystem::path& path) : file_(path) {
  const std::string name = path.string();
  const ZipBytes file(file_.bytes(), name);
  CentralDirectory directory = read_central_directory(file);
  std::uint64_t free = 0;  // the first byte that no entry has used
  for (CentralEntry& entry : directory.entries) {
    if (entry.local_header < free)
      file.fail("entry " + quoted_name(entry.name) + " overlaps the one before it");
    const auto bytes = locate(file, entry, &free);
    if (free > directory.offset)
      file.fail("entry " + quoted_name(entry.name) + " overlaps the directory");
    index_[entry.name] = entries_.size();
    entries_.push_back({std::move(entry.name), bytes, entry.crc32, entry.method});
  }
  file_.check_unchanged();
}

const ZipEntry* ZipReader::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

std::span<const std::byte> ZipReader::read(const std::string& name) const {
  const ZipEntry* entry = find(name);
  if (!entry) throw InputError(origin() + ": entry " + quoted_name(name) + " is missing");
  if (entry->method != 0)
    throw InputError(concat(origin(), ": entry ", quoted_name(name), " is compressed (method ",
                            entry->method, "); torch.save stores entries as they are, so load it ",
                            "with PyTorch and torch.save it again"));
  if (!verified_.contains(name)) {
    const bool whole = crc32(entry->bytes) == entry->crc32;
    file_.check_unchanged();
    if (!whole)
      throw InputError(origin() + ": entry " + quoted_name(name) +
                       ": its checksum is wrong; the file is damaged, fetch or save it again");
    verified_.insert(name);
  }
  return entry->bytes;
}

}  // namespace gpt
