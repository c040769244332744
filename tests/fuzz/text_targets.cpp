#include <stdexcept>

#include "gpt/config/json_reader.h"
#include "gpt/config/option.h"
#include "gpt/config/python_reader.h"
#include "gpt/config/settings.h"
#include "gpt/config/train_config.h"
#include "gpt/text/bpe_tokenizer.h"

#include "fuzz/targets.h"

namespace gpt::fuzz {

namespace {

// A vocabulary that was accepted has all bytes, so that any text comes back as it was.
void use_vocabulary(BpeVocabulary vocabulary) {
  vocabulary.vocab_json();
  vocabulary.merges_txt();
  const BpeTokenizer tokenizer(std::move(vocabulary));
  const std::string text = "The the  theatre's\n\t\xC3\xA9\xFF 1234<|endoftext|>";
  for (const auto mode : {Tokenizer::EndOfText::kAsText, Tokenizer::EndOfText::kAsToken})
    if (tokenizer.decode(tokenizer.encode(text, "text", mode)) != text)
      throw std::logic_error("decode(encode(text)) is not the text");
}

void assign(const std::vector<Setting>& settings) {
  TrainConfig config;
  Settings known(options_of(config));
  for (const Setting& setting : settings) known.assign(setting);
  known.check_ranges();
}

}  // namespace

void read_tiktoken(std::string_view bytes) {
  use_vocabulary(parse_tiktoken_vocabulary(bytes, "input"));
}

void read_tokenizer_json(std::string_view bytes) {
  use_vocabulary(parse_tokenizer_json(bytes, "input"));
}

void read_merges(std::string_view bytes) {
  const std::size_t end = bytes.find('\0');
  if (end == bytes.npos)
    use_vocabulary(parse_merges(bytes, "input"));
  else
    use_vocabulary(parse_merges(bytes.substr(0, end), "input", bytes.substr(end + 1), "vocab"));
}

void read_python_config(std::string_view bytes) {
  TrainConfig config;
  const Settings known(options_of(config));
  assign(parse_python_config(bytes, "input", [&](const std::string& name) {
           return known.current(name);
         }).settings);
}

void read_json_config(std::string_view bytes) {
  assign(parse_json_config(bytes, "input"));
}

}  // namespace gpt::fuzz
