// A text in another encoding as UTF-8.
#pragma once

#include <memory>
#include <string>

#include "gpt/dataprep/byte_source.h"

namespace gpt {

// The encodings are those of the C library's iconv. What is ill-formed becomes U+FFFD. InputError
// if the library does not know the encoding.
std::unique_ptr<ByteSource> decoded(const std::string& encoding, std::unique_ptr<ByteSource> below);

// Whether a name stands for UTF-8, which is read as it is.
bool is_utf8_name(const std::string& encoding);

// InputError, "encoding: ...", for a name that is not known here.
void check_encoding(const std::string& encoding);

}  // namespace gpt
