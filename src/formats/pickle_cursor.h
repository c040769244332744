// The bytes of a pickle, read front to back; an end that comes too early is an error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace gpt {

class PickleCursor {
 public:
  PickleCursor(std::span<const std::byte> bytes, const std::string& origin)
      : bytes_(reinterpret_cast<const char*>(bytes.data()), bytes.size()), origin_(origin) {}

  // Every error names the opcode's byte.
  std::uint8_t opcode();
  std::uint64_t unsigned_number(std::size_t bytes);  // little endian
  std::int64_t signed_number(std::size_t bytes);     // two's complement, 0 to 8 bytes
  double big_endian_double();
  std::string_view take(std::uint64_t count);
  std::string_view line();  // without its newline
  bool at_end() const { return at_ == bytes_.size(); }
  std::size_t size() const { return bytes_.size(); }
  std::size_t offset() const { return at_; }
  std::size_t opcode_offset() const { return opcode_at_; }

  [[noreturn]] void fail(const std::string& what) const;

 private:
  std::string_view bytes_;
  const std::string& origin_;
  std::size_t at_ = 0, opcode_at_ = 0;
};

// Python's raw-unicode-escape: Latin-1 with \uXXXX and \UXXXXXXXX. False if that is broken or names
// no character.
bool raw_unicode_to_utf8(std::string_view raw, std::string* utf8);

// Each character of `utf8` as one byte (Python's latin1); false if one is beyond 255.
bool utf8_to_latin1(std::string_view utf8, std::string* bytes);

}  // namespace gpt
