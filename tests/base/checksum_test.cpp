#include "gpt/base/checksum.h"

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace gpt {
namespace {

std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// Check values: the CRC catalogue's "123456789", and RFC 3720 appendix B.4.
TEST(Checksum, KnownValues) {
  const std::string zeros(32, '\0'), ones(32, '\xff');
  for (const auto crc : {crc32c, crc32c_by_table}) {
    EXPECT_EQ(crc(bytes("123456789")), 0xE3069283u);
    EXPECT_EQ(crc(bytes(zeros)), 0x8A9136AAu);
    EXPECT_EQ(crc(bytes(ones)), 0x62A8AB43u);
    EXPECT_EQ(crc({}), 0u);
  }
}

TEST(Checksum, HardwareEqualsTable) {
  std::mt19937 random(1337);
  std::vector<std::byte> data(4096);
  for (std::byte& byte : data) byte = static_cast<std::byte>(random());
  for (std::size_t size = 0; size < 100; ++size)
    for (std::size_t start = 0; start < 9; ++start) {
      const auto part = std::span(data).subspan(start, size);
      ASSERT_EQ(crc32c(part), crc32c_by_table(part)) << start << " " << size;
    }
  EXPECT_EQ(crc32c(data), crc32c_by_table(data));
}

TEST(Checksum, PiecesEqualTheWhole) {
  const std::string text = "the quick brown fox jumps over the lazy dog";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    Crc32c crc;
    crc.update(bytes(text).first(cut));
    crc.update(bytes(text).subspan(cut));
    EXPECT_EQ(crc.value(), crc32c(bytes(text))) << cut;
  }
}

TEST(Checksum, HexHasEightDigits) {
  EXPECT_EQ(hex32(0xE3069283u), "e3069283");
  EXPECT_EQ(hex32(0xAu), "0000000a");
}

// Bit by bit, as the definition has it.
std::uint32_t crc32_by_bit(const std::string& text) {
  std::uint32_t crc = ~0u;
  for (const char c : text) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0xEDB88320u : 0u);
  }
  return ~crc;
}

TEST(Crc32, HasTheCheckValue) {
  EXPECT_EQ(crc32(bytes("123456789")), 0xCBF43926u);
  EXPECT_EQ(crc32(bytes("")), 0u);
}

TEST(Crc32, EqualsTheDefinitionAtEveryLength) {
  std::string text;
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(crc32(bytes(text)), crc32_by_bit(text)) << text.size();
    text += static_cast<char>(i * 37);
  }
}

}  // namespace
}  // namespace gpt
