// The fixed records of a zip file, as numbers. Offsets are from the record's first byte.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gpt::zip {

inline constexpr std::uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50;
inline constexpr std::uint32_t kEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
inline constexpr std::uint32_t kDescriptor = 0x08074b50;
inline constexpr std::size_t kLocalSize = 30, kCentralSize = 46, kEndSize = 22;
inline constexpr std::size_t kEnd64Size = 56, kLocator64Size = 20;

inline constexpr std::uint32_t kSee64 = 0xFFFFFFFFu;  // the value is in the zip64 field
inline constexpr std::uint16_t kSee64Short = 0xFFFFu;
inline constexpr std::uint16_t kExtra64 = 0x0001;  // header id of zip64 values
inline constexpr std::uint16_t kPadding = 0x4246;  // "FB": torch's padding up to the alignment
inline constexpr std::uint16_t kHasDescriptor = 1u << 3, kUtf8Names = 1u << 11;
inline constexpr std::uint16_t kDeflateHints = 1u << 1 | 1u << 2;  // mean nothing when stored

}  // namespace gpt::zip
