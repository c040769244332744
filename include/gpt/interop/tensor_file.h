// Named tensors in a file that another program saved, whatever its format.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "gpt/formats/safetensors.h"
#include "gpt/formats/torch_reader.h"

namespace gpt {

class TensorFile {
 public:
  virtual ~TensorFile() = default;

  virtual std::vector<std::string> names() const = 0;  // in the file's order
  // Of a name that names() has. InputError if the file's tensor is damaged.
  virtual std::vector<std::int64_t> shape(const std::string& name) const = 0;
  // float32, row-major, on the CPU. It may look into the file: read it while this lives, and do not
  // write it. InputError also for values that are no floating-point ones.
  virtual at::Tensor read(const std::string& name) const = 0;
};

// A state dict in a file of torch.save, or safetensors, by what the file is. InputError.
std::unique_ptr<TensorFile> open_tensor_file(const std::filesystem::path& path);

// Tensors of a file of torch.save by name.
std::unique_ptr<TensorFile> tensors_in(
    std::shared_ptr<const TorchReader> file,
    const std::vector<std::pair<std::string, const PickleValue*>>& tensors);

// A tensor's bytes in a file as float32; where they are float32 and aligned, they are not copied.
// InputError "WHERE: ..." for a dtype that is no floating-point one.
at::Tensor float_tensor(const TensorView& view, const std::string& where);
// The same of a tensor in its storage, made row-major.
at::Tensor float_tensor(const StridedTensor& strided, const std::string& where);
// The same of numbers of any kind.
at::Tensor number_tensor(const StridedTensor& strided, const std::string& where);

// InputError "ORIGIN: NAME: ..." if a value of the float32 tensor on the CPU is NaN or infinite.
void require_finite(const at::Tensor& tensor, const std::string& name, const std::string& origin);

// For who has copied a tensor that may be a view of a file: InputError if the file was cut.
void check_source(const at::Tensor& tensor);

}  // namespace gpt
