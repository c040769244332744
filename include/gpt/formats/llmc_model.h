// llm.c's files of weights, gpt2_124M.bin and model_00019552.bin: 256 integers, and then sixteen
// arrays, each with all layers one behind the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "gpt/base/files.h"
#include "gpt/formats/safetensors.h"

namespace gpt {

class LlmcModel {
 public:
  // InputError if the file is another one, or not as long as its header says.
  explicit LlmcModel(const std::filesystem::path& path);

  std::int64_t positions() const { return positions_; }
  std::int64_t vocabulary() const { return vocabulary_; }  // without the rows that pad it
  std::int64_t layers() const { return layers_; }
  std::int64_t heads() const { return heads_; }
  std::int64_t width() const { return width_; }

  // By nanoGPT's names, F32 or BF16. The views live as long as this object.
  const std::vector<TensorView>& tensors() const { return tensors_; }

 private:
  void read_header();
  void index_tensors(std::uint64_t element);

  MappedFile file_;
  std::int64_t positions_ = 0, vocabulary_ = 0, layers_ = 0, heads_ = 0, width_ = 0;
  std::int64_t padded_vocabulary_ = 0;
  std::vector<TensorView> tensors_;
};

// Whether the bytes begin with the number of any file of llm.c.
bool is_llmc(std::span<const std::byte> bytes);

}  // namespace gpt
