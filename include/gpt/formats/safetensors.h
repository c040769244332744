// safetensors (https://huggingface.co/docs/safetensors): tensors by name in one file that cannot
// run code. Layout: u64 little-endian header length, JSON header, the bytes of all tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gpt/base/files.h"

namespace gpt {

// A tensor's bytes in row-major order, little endian; the bytes belong to somebody else.
struct TensorView {
  std::string name;
  std::string dtype;  // the format's name: "F32", "BF16", "I64", ...
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
};

// Bytes of one element, 0 for a dtype that the format does not have.
std::size_t safetensors_dtype_size(std::string_view dtype);

struct SavedFile {
  std::uint64_t size = 0;    // bytes of the whole file
  std::uint32_t crc32c = 0;  // of the whole file
};

// Writes and fsyncs. Tensors are ordered by descending element size, then name, so that each one
// is aligned; `format=pt`, which other readers require, is added to the metadata where it is
// missing. Throws IoError if the disk does not take it, Error if a tensor contradicts itself.
SavedFile write_safetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                            const std::map<std::string, std::string>& metadata = {});

// A file whose every header field has been checked: a view's bytes lie inside the file and are as
// many as its shape and dtype say. The views live as long as this object; check_mapped() tells
// whether what was read through one was still in the file.
class SafetensorsFile {
 public:
  // InputError if the file cannot be read or breaks any rule of the format.
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::vector<TensorView>& tensors() const { return tensors_; }  // in file order
  const TensorView* find(std::string_view name) const;                 // nullptr if absent
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  MappedFile file_;
  std::vector<TensorView> tensors_;
  std::map<std::string, std::size_t, std::less<>> index_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace gpt
