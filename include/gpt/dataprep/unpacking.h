// Packed bytes to what they hold, told by the bytes and not by a name.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gpt/dataprep/byte_source.h"

namespace gpt {

enum class Packing { kNone, kGzip, kBzip2, kLz4, kCompress, kLzma, kXz, kZstd, kZip, kTar };

inline constexpr std::size_t kPackingBytes = 512;  // that tell it, where there are so many

Packing packing_of(std::string_view head);
std::string_view name_of(Packing packing);
bool is_archive(Packing packing);  // with members: zip or tar

// What packed bytes may take to be unpacked, and what was odd about them once they are read.
struct Unpacking {
  std::uint64_t most_memory = kMostUnpackingMemory;
  std::vector<std::string> warnings;
};

// What the packed bytes of `below` hold; not an archive's. Any number of members, frames or streams
// after each other is one text; what follows the last of them is a warning, and zeros are nothing.
// zstd and xz may look back 2 GiB (zstd's --long=31), where that much memory is
// allowed. InputError, "NAME: ...", for damage and for an end in
// the middle.
std::unique_ptr<ByteSource> unpacked(Packing packing, std::unique_ptr<ByteSource> below,
                                     const std::string& name, Unpacking& unpacking);

}  // namespace gpt
