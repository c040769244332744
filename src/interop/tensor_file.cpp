#include "gpt/interop/tensor_file.h"

#include <cstring>
#include <map>

#include <ATen/ATen.h>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/terminal.h"

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

// torch.save(model.state_dict(), path)
class StateDict : public TensorFile {
 public:
  explicit StateDict(const std::filesystem::path& path) : file_(path) {
    const std::string where = file_.origin();
    for (const auto& [key, value] : dict_of(file_.root(), where + ": a state dict").items) {
      const std::string& name = text_of(*key, where + ": a tensor's name");
      if (!TorchReader::is_tensor(*value))
        throw InputError(where + ": " + quoted_name(name) + ": expected a tensor, found " +
                         described(*value) + "; expected a model's state dict, as transformers' " +
                         "save_pretrained writes it");
      names_.push_back(name);
      tensors_[name] = value;
    }
  }

  std::vector<std::string> names() const override { return names_; }
  std::vector<std::int64_t> shape(const std::string& name) const override {
    return file_.tensor(*tensors_.at(name), place(name)).shape;
  }
  at::Tensor read(const std::string& name) const override {
    return float_tensor(file_.tensor(*tensors_.at(name), place(name)), place(name));
  }

 private:
  std::string place(const std::string& name) const { return file_.origin() + ": tensor " + name; }

  TorchReader file_;
  std::vector<std::string> names_;
  std::map<std::string, const PickleValue*> tensors_;
};

}  // namespace

std::unique_ptr<TensorFile> open_tensor_file(const std::filesystem::path& path) {
  if (path.extension() == ".bin") return std::make_unique<StateDict>(path);
  return std::make_unique<Safetensors>(path);
}

at::Tensor float_tensor(const TensorView& view, const std::string& where) {
  static const std::map<std::string, at::ScalarType> kTypes = {
      {"F32", at::kFloat}, {"F64", at::kDouble}, {"F16", at::kHalf}, {"BF16", at::kBFloat16}};
  const auto type = kTypes.find(view.dtype);
  if (type == kTypes.end())
    throw InputError(where + ": expected floating-point values, found " + view.dtype);
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

void check_source(const at::Tensor& tensor) {
  const at::Storage& storage = tensor.storage();
  check_mapped({static_cast<const std::byte*>(storage.data()), storage.nbytes()});
}

at::Tensor float_tensor(const StridedTensor& strided, const std::string& where) {
  std::vector<std::byte> buffer;
  const auto bytes = row_major(strided, buffer);
  check_mapped(strided.bytes);
  const at::Tensor result = float_tensor({where, strided.dtype, strided.shape, bytes}, where);
  return buffer.empty() ? result : result.clone();
}

}  // namespace gpt
