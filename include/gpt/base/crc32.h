// CRC-32 as zip and gzip have it (ISO 3309, polynomial 0x04C11DB7 reflected).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace gpt {

std::uint32_t crc32(std::span<const std::byte> bytes);

}  // namespace gpt
