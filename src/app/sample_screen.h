// Samples on their way to the reader: whole characters, one sample after the other.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gpt/text/tokenizer.h"
#include "gpt/text/utf8.h"

namespace gpt {

// One sample is shown as it grows; what the others say meanwhile waits, so that nothing is mixed.
// When the shown one ends, the next appears with all that it has so far, and continues growing.
class SampleScreen {
 public:
  // `show` takes text in UTF-8; each sample begins with `prompt` and ends with `end`, by default
  // nanoGPT's line.
  SampleScreen(const Tokenizer& tokenizer, std::string prompt, std::int64_t samples,
               std::function<void(const std::string& text)> show,
               std::string end = "\n---------------\n");

  // A token may be a part of a character: its bytes wait for the rest. Bytes that make no
  // character are shown as U+FFFD.
  void add(std::int64_t sample, std::int64_t token);
  void end(std::int64_t sample);

 private:
  struct Sample {
    Utf8Decoder decoder = Utf8Decoder();
    std::string waiting = {};
    bool ended = false;
  };
  void show_waiting();

  const Tokenizer& tokenizer_;
  std::string prompt_, end_;
  std::function<void(const std::string&)> show_;
  std::vector<Sample> samples_;
  std::size_t shown_ = 0;  // the sample on the screen
};

}  // namespace gpt
