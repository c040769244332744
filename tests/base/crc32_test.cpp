#include "gpt/base/crc32.h"

#include <string>

#include <gtest/gtest.h>

namespace gpt {
namespace {

std::uint32_t of(const std::string& text) {
  return crc32(std::as_bytes(std::span(text)));
}

// Bit by bit, as the definition has it.
std::uint32_t slow(const std::string& text) {
  std::uint32_t crc = ~0u;
  for (const char c : text) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0xEDB88320u : 0u);
  }
  return ~crc;
}

TEST(Crc32, HasTheCheckValue) {
  EXPECT_EQ(of("123456789"), 0xCBF43926u);
  EXPECT_EQ(of(""), 0u);
}

TEST(Crc32, EqualsTheDefinitionAtEveryLength) {
  std::string text;
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(of(text), slow(text)) << text.size();
    text += static_cast<char>(i * 37);
  }
}

}  // namespace
}  // namespace gpt
