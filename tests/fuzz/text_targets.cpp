#include <stdexcept>

#include "gpt/config/json_reader.h"
#include "gpt/config/option.h"
#include "gpt/config/python_reader.h"
#include "gpt/config/settings.h"
#include "gpt/config/train_config.h"
#include "gpt/text/bpe_tokenizer.h"
#include "gpt/text/char_tokenizer.h"
#include "gpt/text/text_mode.h"

#include "fuzz/targets.h"

namespace gpt::fuzz {

namespace {

// Where a vocabulary that was accepted has all bytes, any text comes back as it was.
void use_vocabulary(BpeVocabulary vocabulary) {
  vocabulary.vocab_json();
  vocabulary.merges_txt();
  vocabulary.tokenizer_json();
  const BpeTokenizer tokenizer(std::move(vocabulary));
  const std::string text = "The the  theatre's\n\t\xC3\xA9\xFF 1234<|endoftext|>";
  for (const bool added : {false, true}) {
    const std::string back = tokenizer.decode(tokenizer.encode(text, "t", {.added_tokens = added}));
    if (tokenizer.restores_text() && back != text)
      throw std::logic_error("decode(encode(text)) is not the text");
    tokenizer.safe_cut(text, {.added_tokens = added});
  }
  tokenizer.find_added_tokens(text);
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

void read_tokenizer_config(std::string_view bytes) {
  TokenizerSettings settings;
  parse_tokenizer_config(bytes, "input", settings);
  use_vocabulary(parse_merges("t h\nth e\n", "merges",
                              R"({"t": 0, "h": 1, "e": 2, "th": 3, "the": 4})", "vocab", settings));
}

void read_added_tokens(std::string_view bytes) {
  TokenizerSettings settings;
  parse_added_tokens(bytes, "input", settings);
  use_vocabulary(parse_merges("t h\nth e\n", "merges",
                              R"({"t": 0, "h": 1, "e": 2, "th": 3, "the": 4})", "vocab", settings));
}

void read_char_tokenizer(std::string_view bytes) {
  const CharTokenizer tokenizer = CharTokenizer::from_tokenizer_json(bytes, "input");
  const std::string json = tokenizer.tokenizer_json();
  if (CharTokenizer::from_tokenizer_json(json, "ours").characters() != tokenizer.characters())
    throw std::logic_error("what is written is not what was read");
}

void read_text_mode(std::string_view bytes) {
  if (text_mode(std::string(bytes), "input").find('\r') != std::string::npos)
    throw std::logic_error("a \\r is left");
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
