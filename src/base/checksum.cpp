#include "gpt/base/checksum.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
#include <vector>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

constexpr std::uint32_t kCastagnoli = 0x82F63B78u;  // bit-reversed

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) ? kCastagnoli : 0);
    table[byte] = value;
  }
  return table;
}
constexpr auto kTable = make_table();

std::uint32_t update_table(std::uint32_t state, const unsigned char* data, std::size_t size) {
  for (; size > 0; --size, ++data) state = (state >> 8) ^ kTable[(state ^ *data) & 0xFF];
  return state;
}

#ifdef __x86_64__
[[gnu::target("sse4.2")]] std::uint32_t update_sse42(std::uint32_t state, const unsigned char* data,
                                                     std::size_t size) {
  std::uint64_t wide = state;
  for (; size >= 8; size -= 8, data += 8) {
    std::uint64_t word;
    std::memcpy(&word, data, 8);
    wide = __builtin_ia32_crc32di(wide, word);
  }
  state = static_cast<std::uint32_t>(wide);
  for (; size > 0; --size, ++data) state = __builtin_ia32_crc32qi(state, *data);
  return state;
}
#endif

std::uint32_t update_best(std::uint32_t state, const unsigned char* data, std::size_t size) {
#ifdef __x86_64__
  static const bool fast = __builtin_cpu_supports("sse4.2");
  if (fast) return update_sse42(state, data, size);
#endif
  return update_table(state, data, size);
}

constexpr std::uint32_t kIeee = 0xEDB88320u;

// table[k][b]: the CRC of byte b with k zero bytes behind it, for eight bytes at a time (Kounavis
// and Berry 2005).
constexpr auto kIeeeTables = [] {
  std::array<std::array<std::uint32_t, 256>, 8> table{};
  for (std::uint32_t b = 0; b < 256; ++b) {
    std::uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? kIeee : 0);
    table[0][b] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k)
    for (std::uint32_t b = 0; b < 256; ++b)
      table[k][b] = (table[k - 1][b] >> 8) ^ table[0][table[k - 1][b] & 0xFF];
  return table;
}();

}  // namespace

void Crc32c::update(std::span<const std::byte> bytes) {
  state_ = update_best(state_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

std::uint32_t crc32c(std::span<const std::byte> bytes) {
  Crc32c crc;
  crc.update(bytes);
  return crc.value();
}

// Through read(2): a bad sector is an error, and no address space is needed.
std::uint32_t crc32c_of_file(const std::filesystem::path& path) {
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) throw InputError(path.string() + ": cannot read: " + std::strerror(errno));
  Crc32c crc;
  std::vector<std::byte> piece(kPiece);
  ssize_t got = 0;
  while ((got = read(descriptor, piece.data(), piece.size())) != 0) {
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) break;
    crc.update(std::span(piece.data(), static_cast<std::size_t>(got)));
  }
  const int error = errno;
  close(descriptor);
  if (got < 0) throw InputError(path.string() + ": cannot read: " + std::strerror(error));
  return crc.value();
}

std::uint32_t crc32c_by_table(std::span<const std::byte> bytes) {
  return ~update_table(~0u, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

std::uint32_t crc32(std::span<const std::byte> bytes) {
  std::uint32_t crc = 0xFFFFFFFFu;
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, at, 8);
    eight ^= crc;
    crc = 0;
    for (std::size_t k = 0; k < 8; ++k) crc ^= kIeeeTables[7 - k][eight >> (8 * k) & 0xFF];
  }
  for (; left > 0; ++at, --left)
    crc = (crc >> 8) ^ kIeeeTables[0][(crc ^ static_cast<std::uint32_t>(*at)) & 0xFF];
  return ~crc;
}

std::string hex32(std::uint32_t value) {
  return format("%08x", value);
}

}  // namespace gpt
