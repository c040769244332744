// The two containers that torch.save has written: a pickle, and the storages that it refers to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "gpt/formats/pickle_value.h"

namespace gpt {

class TorchContainer {
 public:
  virtual ~TorchContainer() = default;
  virtual const PickleValue& root() const = 0;
  virtual std::string origin() const = 0;
  // The bytes of the storage of that key; `where` names who asks. InputError if there is none or it
  // is damaged.
  virtual std::span<const std::byte> storage(const std::string& key,
                                             const std::string& where) const = 0;
};

// A reference to a storage: ('storage', torch.FloatStorage, '0', 'cpu', 12345).
struct StorageReference {
  std::string dtype;  // safetensors' name
  std::string key;
  std::int64_t elements = 0;
};

// False if the value refers to no storage of a known type.
bool read_storage_reference(const PickleValue& value, StorageReference* reference);

// A zip archive, since PyTorch 1.6. InputError.
std::unique_ptr<TorchContainer> open_torch_zip(const std::filesystem::path& path);

// Pickles, one behind the other, and then the storages: before PyTorch 1.6, and with
// _use_new_zipfile_serialization=False. InputError.
std::unique_ptr<TorchContainer> open_torch_legacy(const std::filesystem::path& path);
bool is_torch_legacy(std::span<const std::byte> bytes);

}  // namespace gpt
