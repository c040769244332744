// A row of JSON that holds a conversation.
#pragma once

#include <string>
#include <string_view>

#include "gpt/dataprep/row_pattern.h"

namespace gpt {

// The messages of the object that `line` is, each as `message` has it. They are a list at
// "messages" or "conversations" of objects with a "role" or "from" and a "content" or "value": a
// text, or a list of texts and of objects that have a "text". ShareGPT's human is the user, its gpt
// the assistant. The assistant's are answers, those of "weight" 0 excepted. InputError as
// read_json_text has it, and where no message is an answer.
RowText read_chat_row(std::string_view line, const RowPattern& message, const std::string& origin);

}  // namespace gpt
