#include "gpt/dataprep/unpacking.h"

#include <algorithm>
#include <archive.h>
#include <array>
#include <cstring>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

#include "archive_handle.h"
#include "framed_source.h"

namespace gpt {

namespace {

using namespace std::string_view_literals;

constexpr int kMostFilters = 4;  // the last only passes bytes on

// One file in a format with a filter of libarchive. Its filters pass over what follows the last
// member without a word, so this counts what they take.
class FilteredSource : public Layer {
 public:
  FilteredSource(Packing packing, std::unique_ptr<ByteSource> from, const std::string& name,
                 Unpacking& unpacking)
      : Layer(std::move(from)),
        packing_(packing),
        name_(name),
        unpacking_(unpacking),
        archive_(below()) {
    archive* handle = archive_.get();
    archive_read_support_filter_bzip2(handle);
    archive_read_support_filter_lz4(handle);
    archive_read_support_filter_compress(handle);
    archive_read_support_format_raw(handle);
    archive_read_support_format_empty(handle);
    archive_entry* entry = nullptr;
    const int opened = archive_.open();
    const int result = opened == ARCHIVE_OK ? archive_read_next_header(handle, &entry) : opened;
    if (result == ARCHIVE_EOF) ended_ = true;
    if (result < ARCHIVE_WARN) fail();
    // It takes off what is packed several times at once.
    if (!ended_ && archive_filter_count(handle) > kMostFilters)
      throw InputError(concat(name_, ": is packed more than three times over; unpack it by hand"));
  }

 protected:
  std::size_t read_more(char* to, std::size_t size) override {
    if (ended_) return 0;
    const la_ssize_t got = archive_read_data(archive_.get(), to, size);
    if (got < 0) fail();
    if (got == 0) look_behind_the_end();
    return got > 0 ? static_cast<std::size_t>(got) : 0;
  }

 private:
  void fail() {
    ended_ = true;
    archive_.throw_failure(name_, name_of(packing_));
  }

  void look_behind_the_end() {
    ended_ = true;
    if (stopped()) return;
    const auto taken = static_cast<std::uint64_t>(archive_filter_bytes(archive_.get(), -1));
    const std::uint64_t end = archive_.end_of_bytes();
    if (end > taken)
      unpacking_.warnings.push_back(text_after_end(name_, name_of(packing_), end - taken));
  }

  const Packing packing_;
  const std::string name_;
  Unpacking& unpacking_;
  ArchiveHandle archive_;
  bool ended_ = false;
};

struct Signature {
  Packing packing;
  std::string_view bytes;
  std::size_t at = 0;
};

constexpr Signature kSignatures[] = {{Packing::kGzip, "\x1f\x8b\x08"sv},
                                     {Packing::kCompress, "\x1f\x9d"sv},
                                     {Packing::kXz,
                                      "\xfd"
                                      "7zXZ\0"sv},
                                     {Packing::kZstd, "\x28\xb5\x2f\xfd"sv},
                                     {Packing::kLz4, "\x04\x22\x4d\x18"sv},
                                     {Packing::kLz4, "\x02\x21\x4c\x18"sv},
                                     {Packing::kZip, "PK\x03\x04"sv},
                                     {Packing::kZip, "PK\x05\x06"sv},
                                     {Packing::kTar, "ustar"sv, 257}};

}  // namespace

Packing packing_of(std::string_view head) {
  for (const Signature& signature : kSignatures)
    if (head.size() >= signature.at && head.substr(signature.at).starts_with(signature.bytes))
      return signature.packing;
  // BZh1 to BZh9 and the first block, or the end of an empty text.
  if (head.starts_with("BZh") && head.size() > 10 && head[3] >= '1' && head[3] <= '9' &&
      (head.substr(4, 6) == "1AY&SY" || head.substr(4, 6) == "\x17\x72\x45\x38\x50\x90"))
    return Packing::kBzip2;
  if (head.size() > 13 && head.starts_with("\x5d\0\0"sv) &&
      head.substr(5, 8) == "\xff\xff\xff\xff\xff\xff\xff\xff")
    return Packing::kLzma;
  // A frame of zstd that holds nothing of the text, as pzstd writes it first.
  if (head.size() > 4 && (static_cast<unsigned char>(head[0]) & 0xF0) == 0x50 &&
      head.substr(1, 3) == "\x2a\x4d\x18")
    return Packing::kZstd;
  return Packing::kNone;
}

std::string_view name_of(Packing packing) {
  constexpr std::array<std::string_view, 10> kNames = {"plain", "gzip", "bzip2", "lz4", "compress",
                                                       "lzma",  "xz",   "zstd",  "zip", "tar"};
  return kNames[static_cast<std::size_t>(packing)];
}

bool is_archive(Packing packing) {
  return packing == Packing::kZip || packing == Packing::kTar;
}

std::unique_ptr<ByteSource> unpacked(Packing packing, std::unique_ptr<ByteSource> below,
                                     const std::string& name, Unpacking& unpacking) {
  if (packing == Packing::kGzip) return gzip_source(std::move(below), name, unpacking);
  if (packing == Packing::kZstd) return zstd_source(std::move(below), name, unpacking);
  if (packing == Packing::kXz || packing == Packing::kLzma)
    return lzma_source(packing, std::move(below), name, unpacking);
  return std::make_unique<FilteredSource>(packing, std::move(below), name, unpacking);
}

}  // namespace gpt
