#include "gpt/formats/torch_reader.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <map>

#include "gpt/base/error.h"
#include "gpt/base/file_kind.h"
#include "gpt/base/files.h"
#include "gpt/base/strings.h"
#include "gpt/formats/safetensors.h"

#include "pickle_numpy.h"
#include "torch_container.h"

namespace gpt {

namespace {

constexpr std::string_view kRebuildTensor = "torch._utils._rebuild_tensor_v2";

// Calls around that of a tensor, by what their first argument is: the tensor, or the function that
// makes it, whose arguments are then the third one.
constexpr std::string_view kAroundTensor[] = {"torch._utils._rebuild_parameter",
                                              "torch._utils._rebuild_parameter_with_state",
                                              "torch.nn.parameter.Parameter"};
constexpr std::string_view kAroundFunction = "torch._tensor._rebuild_from_type_v2";

const std::map<std::string_view, std::string>& storage_dtypes() {
  static const std::map<std::string_view, std::string> kDtypes = {
      {"torch.FloatStorage", "F32"}, {"torch.DoubleStorage", "F64"},
      {"torch.HalfStorage", "F16"},  {"torch.BFloat16Storage", "BF16"},
      {"torch.LongStorage", "I64"},  {"torch.IntStorage", "I32"},
      {"torch.ShortStorage", "I16"}, {"torch.CharStorage", "I8"},
      {"torch.ByteStorage", "U8"},   {"torch.BoolStorage", "BOOL"}};
  return kDtypes;
}

// (storage, offset, size, stride, requires_grad, backward_hooks[, metadata]); nullptr if the value
// is no tensor. Few calls are ever around one.
const PickleItems* tensor_arguments(const PickleValue* value) {
  for (int around = 0; around < 3; ++around) {
    const auto* object = value->get_if<PickleObject>();
    if (!object) return nullptr;
    const PickleItems& arguments = object->arguments;
    // Before PyTorch 0.4 the first four are all.
    if (object->name == kRebuildTensor || object->name == "torch._utils._rebuild_tensor")
      return &arguments;
    if (object->name == kAroundFunction) {
      const auto* function = arguments.size() > 2 ? arguments[0]->get_if<PickleGlobal>() : nullptr;
      const auto* tuple = function ? arguments[2]->get_if<PickleTuple>() : nullptr;
      return tuple && function->name == kRebuildTensor ? &tuple->items : nullptr;
    }
    if (std::find(std::begin(kAroundTensor), std::end(kAroundTensor), object->name) ==
            std::end(kAroundTensor) ||
        arguments.empty())
      return nullptr;
    value = arguments[0];
  }
  return nullptr;
}

std::unique_ptr<TorchContainer> open_container(const std::filesystem::path& path) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  const std::string_view begin(reinterpret_cast<const char*>(bytes.data()),
                               std::min<std::size_t>(bytes.size(), 4));
  if (begin.starts_with("PK")) return open_torch_zip(path);
  if (is_torch_legacy(bytes)) return open_torch_legacy(path);
  refuse_foreign_file(path, bytes);
  if (begin.size() > 2 && begin[0] == '\x80')
    throw InputError(path.string() +
                     ": is a bare pickle, not a file of torch.save; load it with Python and "
                     "torch.save it");
  throw InputError(path.string() +
                   ": is no file of torch.save (it does not begin with PK); expected a checkpoint "
                   "of PyTorch");
}

std::vector<std::int64_t> sizes_of(const PickleValue& value, const std::string& where) {
  std::vector<std::int64_t> sizes;
  for (const PickleValue* item : items_of(value, where)) {
    sizes.push_back(integer_of(*item, where));
    if (sizes.back() < 0) throw InputError(where + ": a size or stride below zero");
  }
  return sizes;
}

// The last element's place and the number of elements must both fit into the storage: a stride of
// zero would otherwise turn a few bytes into any amount.
bool fits(const StridedTensor& tensor, std::int64_t offset, std::uint64_t storage_elements) {
  if (offset < 0 || static_cast<std::uint64_t>(offset) > storage_elements) return false;
  std::uint64_t last = static_cast<std::uint64_t>(offset), count = 1;
  if (std::find(tensor.shape.begin(), tensor.shape.end(), 0) != tensor.shape.end()) return true;
  for (std::size_t d = 0; d < tensor.shape.size(); ++d) {
    const auto size = static_cast<std::uint64_t>(tensor.shape[d]);
    std::uint64_t reach = 0;
    if (__builtin_mul_overflow(count, size, &count) ||
        __builtin_mul_overflow(size - 1, static_cast<std::uint64_t>(tensor.stride[d]), &reach) ||
        __builtin_add_overflow(last, reach, &last))
      return false;
  }
  return last < storage_elements && count <= storage_elements;
}

}  // namespace

bool read_storage_reference(const PickleValue& value, StorageReference* reference) {
  const auto* persistent = value.get_if<PicklePersistent>();
  const auto* id = persistent ? persistent->id->get_if<PickleTuple>() : nullptr;
  // Before PyTorch 1.6 a sixth item says which part of another storage it is: None for a whole one.
  if (!id || id->items.size() < 5 || id->items.size() > 6) return false;
  if (id->items.size() == 6 && !id->items[5]->get_if<PickleNone>()) return false;
  const auto* type = id->items[1]->get_if<PickleGlobal>();
  const auto* key = id->items[2]->get_if<std::string>();
  const auto* elements = id->items[4]->get_if<std::int64_t>();
  if (!type || !key || !elements || !storage_dtypes().contains(type->name)) return false;
  *reference = {storage_dtypes().at(type->name), *key, *elements};
  return true;
}

TorchReader::TorchReader(const std::filesystem::path& path) : container_(open_container(path)) {}
TorchReader::~TorchReader() = default;
TorchReader::TorchReader(TorchReader&&) noexcept = default;

const PickleValue& TorchReader::root() const {
  return container_->root();
}

std::string TorchReader::origin() const {
  return container_->origin();
}

bool TorchReader::is_tensor(const PickleValue& value) {
  StridedTensor array;
  return tensor_arguments(&value) || numpy_array(value, &array);
}

std::span<const std::byte> TorchReader::storage(const PickleValue& value, const std::string& where,
                                                std::string* dtype) const {
  StorageReference reference;
  if (!read_storage_reference(value, &reference)) {
    const auto* id = value.get_if<PicklePersistent>();
    const auto* parts = id ? id->id->get_if<PickleTuple>() : nullptr;
    throw InputError(where + ": expected a storage, found " +
                     described(parts && parts->items.size() > 1 ? *parts->items[1] : value) +
                     "; save it as float32, bfloat16 or float16 numbers");
  }
  *dtype = reference.dtype;
  const auto bytes = container_->storage(reference.key, where);
  const std::int64_t elements = reference.elements;
  const std::uint64_t element = safetensors_dtype_size(*dtype);
  if (elements < 0 || bytes.size() % element != 0 ||
      static_cast<std::uint64_t>(elements) != bytes.size() / element)
    throw InputError(concat(where, ": its storage should hold ", elements, " ", *dtype,
                            ", but has ", bytes.size(), " bytes"));
  return bytes;
}

StridedTensor TorchReader::tensor(const PickleValue& value, const std::string& where) const {
  StridedTensor result;
  if (numpy_array(value, &result)) return result;
  const PickleItems* arguments = tensor_arguments(&value);
  if (!arguments) throw InputError(where + ": expected a tensor, found " + described(value));
  if (arguments->size() < 4) throw InputError(where + ": a tensor is described by too few values");
  const auto bytes = storage(*(*arguments)[0], where, &result.dtype);
  const std::int64_t offset = integer_of(*(*arguments)[1], where + ": offset");
  result.shape = sizes_of(*(*arguments)[2], where + ": shape");
  result.stride = sizes_of(*(*arguments)[3], where + ": strides");
  const std::uint64_t element = safetensors_dtype_size(result.dtype);
  if (result.shape.size() != result.stride.size() || !fits(result, offset, bytes.size() / element))
    throw InputError(concat(where, ": shape, strides and offset do not fit into its storage of ",
                            bytes.size() / element, " elements; the file is damaged"));
  result.bytes = bytes.subspan(static_cast<std::uint64_t>(offset) * element);
  return result;
}

std::span<const std::byte> row_major(const StridedTensor& tensor, std::vector<std::byte>& buffer) {
  const std::size_t element = safetensors_dtype_size(tensor.dtype);
  const std::size_t rank = tensor.shape.size();
  std::int64_t count = 1;
  bool ordered = true;
  for (std::size_t d = rank; d-- > 0;) {
    ordered = ordered && (tensor.shape[d] == 1 || tensor.stride[d] == count);
    count *= tensor.shape[d];
  }
  const auto total = static_cast<std::size_t>(count) * element;
  if (ordered || count == 0) return tensor.bytes.first(total);
  buffer.resize(total);
  std::vector<std::int64_t> at(rank, 0);
  std::int64_t source = 0;
  for (std::byte* target = buffer.data(); target != buffer.data() + total; target += element) {
    std::memcpy(target, tensor.bytes.data() + static_cast<std::size_t>(source) * element, element);
    for (std::size_t d = rank; d-- > 0;) {  // the next index, as an odometer counts
      source += tensor.stride[d];
      if (++at[d] < tensor.shape[d]) break;
      source -= tensor.stride[d] * tensor.shape[d];
      at[d] = 0;
    }
  }
  return buffer;
}

}  // namespace gpt
