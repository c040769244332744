// Writes what torch.load reads, weights_only or not.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "gpt/base/replace.h"
#include "gpt/formats/pickle_writer.h"
#include "gpt/formats/safetensors.h"

namespace gpt {

// The file appears under its name complete and on disk, or not at all.
class TorchWriter {
 public:
  // A file that has the path already is replaced if `may_replace` allows it.
  explicit TorchWriter(std::filesystem::path path, MayReplace may_replace = replace_anything)
      : path_(std::move(path)), may_replace_(std::move(may_replace)) {}

  // Plain values go straight into the pickle.
  PickleWriter& pickle() { return pickle_; }
  // A tensor as the pickle's next value. Its bytes are read by save(); tensors over the same bytes
  // share one storage, as tied weights do. Error for a dtype that has no storage class.
  void tensor(const TensorView& tensor);

  // IoError if the disk does not take it; then nothing is left behind. Returns the file's size.
  std::uint64_t save();

 private:
  std::filesystem::path path_;
  MayReplace may_replace_;
  PickleWriter pickle_;
  std::vector<std::span<const std::byte>> storages_;
  std::map<const std::byte*, std::size_t> known_;  // by first byte
};

}  // namespace gpt
