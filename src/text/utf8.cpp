#include "gpt/text/utf8.h"

namespace gpt {

namespace {

struct Lead {
  int needed;               // continuation bytes to come; -1: no sequence starts so
  char32_t code;            // bits so far
  unsigned char low, high;  // what the second byte may be
};

// Unicode table 3-7: the second byte's range shuts out overlong forms, surrogates and codes beyond
// U+10FFFF.
Lead lead_of(unsigned char byte) {
  if (byte < 0x80) return {0, byte, 0, 0};
  if (byte < 0xC2 || byte > 0xF4) return {-1, 0, 0, 0};
  if (byte <= 0xDF) return {1, byte & 0x1Fu, 0x80, 0xBF};
  if (byte == 0xE0) return {2, byte & 0x0Fu, 0xA0, 0xBF};
  if (byte == 0xED) return {2, byte & 0x0Fu, 0x80, 0x9F};
  if (byte <= 0xEF) return {2, byte & 0x0Fu, 0x80, 0xBF};
  if (byte == 0xF0) return {3, byte & 0x07u, 0x90, 0xBF};
  if (byte == 0xF4) return {3, byte & 0x07u, 0x80, 0x8F};
  return {3, byte & 0x07u, 0x80, 0xBF};
}

}  // namespace

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

void Utf8Decoder::lead(unsigned char byte, std::u32string& out) {
  const Lead lead = lead_of(byte);
  if (lead.needed < 0) return replace(out);
  if (lead.needed == 0) return emit(byte, out);
  needed_ = lead.needed;
  code_ = lead.code;
  low_ = lead.low;
  high_ = lead.high;
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

Utf8Sequence first_sequence(std::string_view bytes) {
  Lead lead = lead_of(static_cast<unsigned char>(bytes[0]));
  if (lead.needed < 0) return {kReplacement, 1, false};
  std::uint32_t length = 1;
  for (; lead.needed > 0; --lead.needed, ++length) {
    const auto byte = static_cast<unsigned char>(length < bytes.size() ? bytes[length] : 0);
    if (byte < lead.low || byte > lead.high) return {kReplacement, length, false};
    lead.code = (lead.code << 6) | (byte & 0x3Fu);
    lead.low = 0x80;
    lead.high = 0xBF;
  }
  return {lead.code, length, true};
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
