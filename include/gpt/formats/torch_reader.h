// Files of torch.save, of any version of PyTorch: a pickle, and next to it the storages that its
// tensors look into.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gpt/formats/pickle_value.h"

namespace gpt {

// A tensor as it lies in its storage. dtype is safetensors' name ("F32", "BF16", "I64"); strides
// are in elements.
struct StridedTensor {
  std::string dtype;
  std::vector<std::int64_t> shape, stride;
  std::span<const std::byte> bytes;  // from the first element to the end of the storage
};

class TorchContainer;

class TorchReader {
 public:
  // InputError if the file is no whole file of torch.save, or is big endian; it says what the file
  // is instead where that can be told.
  explicit TorchReader(const std::filesystem::path& path);
  ~TorchReader();
  TorchReader(TorchReader&&) noexcept;

  const PickleValue& root() const;
  std::string origin() const;

  // A tensor, a parameter, or an array of numpy's.
  static bool is_tensor(const PickleValue& value);
  // `where` names the value in errors ("ckpt.pt: model['x']"). InputError if it is no tensor, or
  // not inside its storage, or if the storage's bytes are damaged.
  StridedTensor tensor(const PickleValue& value, const std::string& where) const;

 private:
  std::span<const std::byte> storage(const PickleValue& reference, const std::string& where,
                                     std::string* dtype) const;

  std::unique_ptr<TorchContainer> container_;
};

// The elements in row-major order: the tensor's own bytes where they lie so, else a copy in
// `buffer`.
std::span<const std::byte> row_major(const StridedTensor& tensor, std::vector<std::byte>& buffer);

}  // namespace gpt
