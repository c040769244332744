// What a text's first bytes say about it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gpt {

inline constexpr std::size_t kContentBytes = 8192;  // that are looked at

// What a file of another kind is: "a PNG image", "binary data". Empty for text.
std::string kind_of_binary(std::string_view head);
// What a text is that stands for something else: a Git LFS pointer, an RTF document.
std::string kind_of_stand_in(std::string_view head);

// A byte order mark at the beginning: the encoding that it stands for, and its length.
struct ByteOrderMark {
  std::string encoding;  // "" if there is none
  std::size_t bytes = 0;
};
ByteOrderMark byte_order_mark(std::string_view head);

// "UTF-16LE" or "UTF-16BE" for what looks like it without having a mark, else "".
std::string unmarked_utf16(std::string_view head);

}  // namespace gpt
