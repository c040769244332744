// The words of texts, counted by several threads: what a vocabulary is trained on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "gpt/text/bpe_trainer.h"

namespace gpt {

struct WordCountRequest {
  std::vector<std::filesystem::path> inputs = {};  // see find_source_files
  std::filesystem::path out_dir = {};              // what lies in it is no input
  std::string document = "auto", text_key = "text";
  bool by_line = true;  // each line of a text is cut into words by itself
  int threads = 0;      // 0: one for each core that may be used
  std::function<bool()> stop = {};
};

struct CountedWords {
  WordCounts words;
  std::int64_t files = 0;
  std::uint64_t bytes = 0;  // of text
};

// Memory grows with the number of different words only. Nothing if it was stopped. Errors as
// prepare() has them.
std::optional<CountedWords> count_words(const WordCountRequest& request);

}  // namespace gpt
