#include "gpt/interop/tensor_file.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <string_view>

#include <ATen/ATen.h>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/formats/finite.h"
#include "gpt/interop/checkpoint_layout.h"

namespace gpt {

namespace {

class Safetensors : public TensorFile {
 public:
  explicit Safetensors(const std::filesystem::path& path) : path_(path), file_(path) {}

  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (const TensorView& tensor : file_.tensors()) names.push_back(tensor.name);
    return names;
  }
  std::vector<std::int64_t> shape(const std::string& name) const override {
    return file_.find(name)->shape;
  }
  at::Tensor read(const std::string& name) const override {
    return float_tensor(*file_.find(name), path_.string() + ": tensor " + name);
  }

 private:
  std::filesystem::path path_;
  SafetensorsFile file_;
};

class TorchTensors : public TensorFile {
 public:
  TorchTensors(std::shared_ptr<const TorchReader> file,
               const std::vector<std::pair<std::string, const PickleValue*>>& tensors)
      : file_(std::move(file)) {
    for (const auto& [name, value] : tensors) {
      names_.push_back(name);
      tensors_[name] = value;
    }
  }

  std::vector<std::string> names() const override { return names_; }
  std::vector<std::int64_t> shape(const std::string& name) const override {
    return file_->tensor(*tensors_.at(name), place(name)).shape;
  }
  at::Tensor read(const std::string& name) const override {
    return float_tensor(file_->tensor(*tensors_.at(name), place(name)), place(name));
  }

 private:
  std::string place(const std::string& name) const { return file_->origin() + ": tensor " + name; }

  std::shared_ptr<const TorchReader> file_;
  std::vector<std::string> names_;
  std::map<std::string, const PickleValue*> tensors_;
};

bool is_torch_file(const std::filesystem::path& path) {
  const MappedFile file(path);
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()),
                              std::min<std::size_t>(2, file.bytes().size()));
  return text == "PK" || text == "\x80\x02";
}

}  // namespace

std::unique_ptr<TensorFile> tensors_in(
    std::shared_ptr<const TorchReader> file,
    const std::vector<std::pair<std::string, const PickleValue*>>& tensors) {
  return std::make_unique<TorchTensors>(std::move(file), tensors);
}

std::unique_ptr<TensorFile> open_tensor_file(const std::filesystem::path& path) {
  if (path.extension() != ".bin" && !is_torch_file(path))
    return std::make_unique<Safetensors>(path);
  auto file = std::make_shared<TorchReader>(path);
  // Of a model in several files only one holds the token embedding, by which a state dict is known.
  std::vector<std::pair<std::string, const PickleValue*>> tensors;
  const std::string where = path.string() + ": a state dict";
  for (const auto& [key, value] : dict_of(file->root(), where).items)
    if (const auto* name = key->get_if<std::string>(); name && TorchReader::is_tensor(*value))
      tensors.emplace_back(*name, value);
  if (tensors.empty()) tensors = find_layout(file->root(), path.string()).tensors;
  return tensors_in(std::move(file), tensors);
}

namespace {

at::Tensor as_float(const TensorView& view, const std::string& where, bool any_number) {
  static const std::map<std::string, at::ScalarType> kTypes = {
      {"F32", at::kFloat}, {"F64", at::kDouble}, {"F16", at::kHalf},  {"BF16", at::kBFloat16},
      {"I64", at::kLong},  {"I32", at::kInt},    {"I16", at::kShort}, {"I8", at::kChar},
      {"U8", at::kByte},   {"BOOL", at::kBool}};
  const auto type = kTypes.find(view.dtype);
  if (type == kTypes.end() || (!any_number && !at::isFloatingType(type->second)))
    throw InputError(where + ": expected floating-point values, found " + view.dtype +
                     "; save the model as float32, bfloat16 or float16");
  const auto address = reinterpret_cast<std::uintptr_t>(view.bytes.data());
  at::Tensor values;
  if (address % c10::elementSize(type->second) == 0 && !view.bytes.empty()) {
    // from_blob wants a pointer that may be written; nobody writes here.
    values = at::from_blob(const_cast<std::byte*>(view.bytes.data()), view.shape, type->second);
  } else {
    values = at::empty(view.shape, type->second);
    std::memcpy(values.mutable_data_ptr(), view.bytes.data(), view.bytes.size());
  }
  values = values.to(at::kFloat);
  check_mapped(view.bytes);
  return values;
}

at::Tensor as_float(const StridedTensor& strided, const std::string& where, bool any_number) {
  std::vector<std::byte> buffer;
  const auto bytes = row_major(strided, buffer);
  check_mapped(strided.bytes);
  const at::Tensor result =
      as_float(TensorView{where, strided.dtype, strided.shape, bytes}, where, any_number);
  return buffer.empty() ? result : result.clone();
}

}  // namespace

at::Tensor float_tensor(const TensorView& view, const std::string& where) {
  return as_float(view, where, /*any_number=*/false);
}

at::Tensor float_tensor(const StridedTensor& strided, const std::string& where) {
  return as_float(strided, where, /*any_number=*/false);
}

at::Tensor number_tensor(const StridedTensor& strided, const std::string& where) {
  return as_float(strided, where, /*any_number=*/true);
}

void require_finite(const at::Tensor& tensor, const std::string& name, const std::string& origin) {
  const TensorView view{name,
                        "F32",
                        tensor.sizes().vec(),
                        {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()}};
  require_finite(std::span(&view, 1), origin);
}

void check_source(const at::Tensor& tensor) {
  const at::Storage& storage = tensor.storage();
  check_mapped({static_cast<const std::byte*>(storage.data()), storage.nbytes()});
}

}  // namespace gpt
