// Files of torch.save (the zip format, since PyTorch 1.6): a pickle, and next to it the storages
// that its tensors look into.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "gpt/formats/pickle_value.h"
#include "gpt/formats/zip_reader.h"

namespace gpt {

// A tensor as it lies in its storage. dtype is safetensors' name ("F32", "BF16", "I64"); strides
// are in elements.
struct StridedTensor {
  std::string dtype;
  std::vector<std::int64_t> shape, stride;
  std::span<const std::byte> bytes;  // from the first element to the end of the storage
};

class TorchReader {
 public:
  // InputError if the file is no whole archive of torch.save, is big endian, or if its pickle
  // names anything but tensors and plain values.
  explicit TorchReader(const std::filesystem::path& path);

  const PickleValue& root() const { return pickle_.root(); }
  std::string origin() const { return zip_.origin(); }

  static bool is_tensor(const PickleValue& value);
  // `where` names the value in errors ("ckpt.pt: model['x']"). InputError if it is no tensor, or
  // not inside its storage, or if the storage's bytes are damaged.
  StridedTensor tensor(const PickleValue& value, const std::string& where) const;

 private:
  std::span<const std::byte> storage(const PickleValue& reference, const std::string& where,
                                     std::string* dtype) const;

  ZipReader zip_;
  std::string stem_;  // the folder that all entries lie in
  PickleTree pickle_;
};

// The elements in row-major order: the tensor's own bytes where they lie so, else a copy in
// `buffer`.
std::span<const std::byte> row_major(const StridedTensor& tensor, std::vector<std::byte>& buffer);

}  // namespace gpt
