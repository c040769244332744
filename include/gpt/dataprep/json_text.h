// The text in a line of JSON: {"text": "...", ...}, as corpora are published (.jsonl).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gpt {

// Puts the text at `key` of the object that `line` is into `text` and returns how many escapes in
// it are lone surrogates; they become U+FFFD, as tiktoken has it. All of the line is held to RFC
// 8259; bytes in strings that are no UTF-8 are left for the tokenizer to judge. Where the key comes
// twice the last one counts, as in Python. InputError "ORIGIN: expected ...".
std::int64_t read_json_text(std::string_view line, std::string_view key, const std::string& origin,
                            std::string& text);

}  // namespace gpt
