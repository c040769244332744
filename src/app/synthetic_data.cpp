#include "app/synthetic_data.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <stdlib.h>
#include <utility>
#include <vector>

#include "gpt/base/error.h"
#include "gpt/base/files.h"

namespace gpt {

namespace {

std::vector<std::uint32_t> draw_tokens(std::int64_t count, std::int64_t vocab_size) {
  constexpr double kMandelbrot = 2.7;
  std::vector<double> up_to(static_cast<std::size_t>(vocab_size));
  double sum = 0;
  for (std::size_t rank = 0; rank < up_to.size(); ++rank)
    up_to[rank] = sum += 1 / (static_cast<double>(rank + 1) + kMandelbrot);
  std::mt19937_64 generator(1337);
  std::uniform_real_distribution<double> place(0, sum);
  std::vector<std::uint32_t> tokens(static_cast<std::size_t>(count));
  for (std::uint32_t& token : tokens) {
    const auto found = std::upper_bound(up_to.begin(), up_to.end() - 1, place(generator));
    token = static_cast<std::uint32_t>(found - up_to.begin());
  }
  return tokens;
}

template <class T>
void write_tokens(const fs::path& file, const std::vector<std::uint32_t>& tokens) {
  const std::vector<T> narrow(tokens.begin(), tokens.end());
  OutputFile out(file);
  out.write(std::as_bytes(std::span(narrow)));
  out.close();
}

}  // namespace

ScratchFolder::ScratchFolder() {
  std::string name = (fs::temp_directory_path() / "gpttrain-XXXXXX").string();
  if (!mkdtemp(name.data()))
    throw InputError(name + ": the folder for temporary data cannot be made: " +
                     std::strerror(errno) + "; TMPDIR names another place");
  path_ = name;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

Dataset synthetic_dataset(const fs::path& folder, std::int64_t vocab_size,
                          std::int64_t block_size) {
  constexpr std::int64_t kTokens = 1 << 20, kMost16 = 1 << 16;
  const auto tokens = draw_tokens(std::max(kTokens, 4 * block_size), vocab_size);
  const fs::path file = folder / "train.bin";
  const bool wide = vocab_size > kMost16;
  if (wide)
    write_tokens<std::uint32_t>(file, tokens);
  else
    write_tokens<std::uint16_t>(file, tokens);
  const TokenWidth width = wide ? TokenWidth::k32 : TokenWidth::k16;
  std::vector<TrainingSource> train;
  train.push_back({"synthetic", TokenFile(file, block_size, vocab_size, width), 1});
  return {.train = std::move(train),
          .val = TokenFile(file, block_size, vocab_size, width),
          .vocab_size = vocab_size,
          .vocabulary_json = ""};
}

}  // namespace gpt
