// The text in a row of JSON: {"text": "...", ...}, as corpora are published (.jsonl).
#pragma once

#include <string>
#include <string_view>

#include "gpt/dataprep/row_pattern.h"

namespace gpt {

// The text of the object that `line` is. Escapes in it that are lone surrogates become U+FFFD, as
// tiktoken has it. All of the line is held to RFC 8259; bytes in strings that are no UTF-8 are left
// for the tokenizer to judge. Where a key comes twice the last one counts, as in Python. A template
// takes numbers and true or false as they stand. InputError "ORIGIN: expected ...".
RowText read_json_text(std::string_view line, const RowPattern& pattern, const std::string& origin);

// What a text that begins with `head` holds: JSON objects, one a line; rows of another shape
// (gpt/dataprep/json_rows.h); or something else. `whole`: the head is all of it. `named`: its name
// says that it is JSON, so that anything in brackets or braces is.
enum class JsonShape { kNone, kLines, kArray, kObjects };
JsonShape json_shape(std::string_view head, bool whole, bool named);

}  // namespace gpt
