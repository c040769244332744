// A dataset for measurements: tokens as frequent as a real text's, in a folder that goes with it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "gpt/train/dataset.h"

namespace gpt {

// A private folder below the system's place for temporary files, removed at the end.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// About a million tokens by Zipf's law as Mandelbrot has it, p(rank) ~ 1 / (rank + 2.7): the rows
// of the embedding are hit as unevenly as a text hits them. Always the same ones.
Dataset synthetic_dataset(const std::filesystem::path& folder, std::int64_t vocab_size,
                          std::int64_t block_size);

}  // namespace gpt
