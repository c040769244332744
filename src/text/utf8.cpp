#include "gpt/text/utf8.h"

namespace gpt {

void Utf8Decoder::emit(char32_t code, std::u32string& out) {
  if (newlines_ == Newlines::kUniversal) {
    const bool second_half = after_return_ && code == U'\n';
    after_return_ = code == U'\r';
    if (second_half) return;
    if (after_return_) code = U'\n';
  }
  out.push_back(code);
}

void Utf8Decoder::replace(std::u32string& out) {
  ++invalid_count_;
  emit(kReplacement, out);
}

// Unicode table 3-7: the second byte's range shuts out overlong forms, surrogates and codes beyond
// U+10FFFF.
void Utf8Decoder::lead(unsigned char byte, std::u32string& out) {
  low_ = 0x80;
  high_ = 0xBF;
  if (byte < 0x80) {
    emit(byte, out);
  } else if (byte >= 0xC2 && byte <= 0xDF) {
    needed_ = 1;
    code_ = byte & 0x1Fu;
  } else if (byte >= 0xE0 && byte <= 0xEF) {
    needed_ = 2;
    code_ = byte & 0x0Fu;
    if (byte == 0xE0) low_ = 0xA0;
    if (byte == 0xED) high_ = 0x9F;
  } else if (byte >= 0xF0 && byte <= 0xF4) {
    needed_ = 3;
    code_ = byte & 0x07u;
    if (byte == 0xF0) low_ = 0x90;
    if (byte == 0xF4) high_ = 0x8F;
  } else {
    replace(out);
  }
}

void Utf8Decoder::decode(std::string_view bytes, std::u32string& out) {
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (needed_ == 0) {
      lead(byte, out);
    } else if (byte < low_ || byte > high_) {
      needed_ = 0;
      replace(out);
      lead(byte, out);
    } else {
      code_ = (code_ << 6) | (byte & 0x3Fu);
      low_ = 0x80;
      high_ = 0xBF;
      if (--needed_ == 0) emit(code_, out);
    }
  }
}

void Utf8Decoder::finish(std::u32string& out) {
  if (needed_ > 0) {
    needed_ = 0;
    replace(out);
  }
  after_return_ = false;
}

std::u32string from_utf8(std::string_view bytes) {
  std::u32string text;
  Utf8Decoder decoder;
  decoder.decode(bytes, text);
  decoder.finish(text);
  return text;
}

void append_utf8(char32_t code, std::string& out) {
  const auto put = [&out](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
    return;
  }
  if (code < 0x800) {
    put(0xC0 | (code >> 6));
  } else if (code < 0x10000) {
    put(0xE0 | (code >> 12));
    put(0x80 | ((code >> 6) & 0x3F));
  } else {
    put(0xF0 | (code >> 18));
    put(0x80 | ((code >> 12) & 0x3F));
    put(0x80 | ((code >> 6) & 0x3F));
  }
  put(0x80 | (code & 0x3F));
}

std::string to_utf8(std::u32string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (const char32_t code : text) append_utf8(code, bytes);
  return bytes;
}

}  // namespace gpt
