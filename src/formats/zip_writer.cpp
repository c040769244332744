#include "gpt/formats/zip_writer.h"

#include <algorithm>

#include "gpt/base/checksum.h"
#include "gpt/base/error.h"

#include "zip_records.h"

namespace gpt {

namespace {

constexpr std::uint16_t kVersion = 20, kVersion64 = 45;  // of the format, needed to read
// The first day that the format can name: files with the same contents are the same files.
constexpr std::uint16_t kDate = 1 << 5 | 1;

// A record as it is built up, little endian.
class Record {
 public:
  Record& u16(std::uint64_t value) { return number(value, 2); }
  Record& u32(std::uint64_t value) { return number(value, 4); }
  Record& u64(std::uint64_t value) { return number(value, 8); }
  Record& text(std::string_view value) {
    bytes_ += value;
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  Record& number(std::uint64_t value, int count) {
    for (int i = 0; i < count; ++i) bytes_ += static_cast<char>(value >> (8 * i) & 0xFF);
    return *this;
  }
  std::string bytes_;
};

}  // namespace

ZipWriter::ZipWriter(const std::filesystem::path& path, std::uint64_t zip64_from)
    : file_(path), zip64_from_(zip64_from) {}

void ZipWriter::write(std::string_view text) {
  file_.write(text);
  at_ += text.size();
}

void ZipWriter::add(const std::string& name, std::string_view text) {
  add(name, std::as_bytes(std::span(text.data(), text.size())));
}

void ZipWriter::add(const std::string& name, std::span<const std::byte> bytes) {
  if (std::any_of(entries_.begin(), entries_.end(),
                  [&](const Entry& entry) { return entry.name == name; }))
    throw Error(file_.path().string() + ": entry '" + name + "' is given twice");
  const Entry entry{name, crc32(bytes), bytes.size(), at_};
  const bool large = entry.size >= zip64_from_;
  Record extra;
  if (large) extra.u16(zip::kExtra64).u16(16).u64(entry.size).u64(entry.size);
  const std::uint64_t unpadded = at_ + zip::kLocalSize + name.size() + extra.bytes().size() + 4;
  const std::uint64_t padding = (kAlignment - unpadded % kAlignment) % kAlignment;
  extra.u16(zip::kPadding).u16(padding).text(std::string(padding, 'Z'));
  const std::uint64_t shown = large ? zip::kSee64 : entry.size;
  Record header;
  header.u32(zip::kLocal).u16(large ? kVersion64 : kVersion).u16(zip::kUtf8Names);
  header.u16(0).u16(0).u16(kDate).u32(entry.crc32).u32(shown).u32(shown);
  header.u16(name.size()).u16(extra.bytes().size()).text(name).text(extra.bytes());
  write(header.bytes());
  file_.write(bytes);
  at_ += bytes.size();
  entries_.push_back(entry);
}

std::string ZipWriter::central_record(const Entry& entry) const {
  const bool large = entry.size >= zip64_from_, far = entry.offset >= zip64_from_;
  Record extra;
  if (large || far) extra.u16(zip::kExtra64).u16((large ? 16 : 0) + (far ? 8 : 0));
  if (large) extra.u64(entry.size).u64(entry.size);
  if (far) extra.u64(entry.offset);
  const std::uint64_t shown = large ? zip::kSee64 : entry.size;
  const std::uint16_t version = large || far ? kVersion64 : kVersion;
  Record record;
  record.u32(zip::kCentral).u16(version).u16(version).u16(zip::kUtf8Names).u16(0).u16(0).u16(kDate);
  record.u32(entry.crc32).u32(shown).u32(shown);
  record.u16(entry.name.size()).u16(extra.bytes().size()).u16(0).u16(0).u16(0).u32(0);
  record.u32(far ? zip::kSee64 : entry.offset).text(entry.name).text(extra.bytes());
  return record.bytes();
}

std::uint64_t ZipWriter::finish() {
  const std::uint64_t begin = at_;
  for (const Entry& entry : entries_) write(central_record(entry));
  const std::uint64_t end = at_, size = end - begin, count = entries_.size();
  // torch.save always writes the zip64 records, and so do we.
  Record record;
  record.u32(zip::kEnd64).u64(zip::kEnd64Size - 12).u16(kVersion64).u16(kVersion64).u32(0).u32(0);
  record.u64(count).u64(count).u64(size).u64(begin);
  record.u32(zip::kLocator64).u32(0).u64(end).u32(1);
  const auto shown_count = std::min<std::uint64_t>(count, zip::kSee64Short);
  record.u32(zip::kEnd).u16(0).u16(0).u16(shown_count).u16(shown_count);
  record.u32(size >= zip64_from_ ? zip::kSee64 : size);
  record.u32(begin >= zip64_from_ ? zip::kSee64 : begin).u16(0);
  write(record.bytes());
  file_.sync();
  file_.close();
  return at_;
}

}  // namespace gpt
