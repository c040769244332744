#include "gpt/formats/torch_reader.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"
#include "gpt/formats/safetensors.h"
#include "gpt/formats/unpickler.h"

namespace gpt {

namespace {

constexpr const char* kRebuildTensor = "torch._utils._rebuild_tensor_v2";
constexpr const char* kRebuildParameter = "torch._utils._rebuild_parameter";

const std::map<std::string, std::string>& storage_dtypes() {
  static const std::map<std::string, std::string> kDtypes = {
      {"torch.FloatStorage", "F32"}, {"torch.DoubleStorage", "F64"},
      {"torch.HalfStorage", "F16"},  {"torch.BFloat16Storage", "BF16"},
      {"torch.LongStorage", "I64"},  {"torch.IntStorage", "I32"},
      {"torch.ShortStorage", "I16"}, {"torch.CharStorage", "I8"},
      {"torch.ByteStorage", "U8"},   {"torch.BoolStorage", "BOOL"}};
  return kDtypes;
}

std::set<std::string> allowed_globals() {
  std::set<std::string> names = {kRebuildTensor, kRebuildParameter};
  for (const auto& [name, dtype] : storage_dtypes()) names.insert(name);
  return names;
}

// Says what the file is instead, where that can be told.
void check_kind(const std::filesystem::path& path) {
  const MappedFile file(path);
  const std::string_view begin(reinterpret_cast<const char*>(file.bytes().data()),
                               std::min<std::size_t>(file.bytes().size(), 4));
  if (begin.starts_with("PK")) return;
  if (begin.size() > 2 && begin[0] == '\x80')
    throw InputError(path.string() +
                     ": is a bare pickle or a file of PyTorch before 1.6; load it with a newer "
                     "PyTorch and torch.save it again");
  throw InputError(path.string() + ": is no file of torch.save (it does not begin with PK)");
}

std::string find_stem(const ZipReader& zip) {
  constexpr std::string_view kPickle = "/data.pkl";
  std::optional<std::string> stem;
  for (const ZipEntry& entry : zip.entries()) {
    if (!entry.name.ends_with(kPickle)) continue;
    const std::string folder = entry.name.substr(0, entry.name.size() - kPickle.size());
    if (folder.find('/') != folder.npos) continue;
    if (stem) throw InputError(zip.origin() + ": has two data.pkl; expected one");
    stem = folder;
  }
  if (!stem)
    throw InputError(zip.origin() + ": has no data.pkl; it is a zip, but not torch.save's");
  return *stem;
}

PickleTree read_pickle_entry(const ZipReader& zip, const std::string& stem) {
  if (const std::string order = stem + "/byteorder"; zip.find(order)) {
    const auto bytes = zip.read(order);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (text != "little")
      throw InputError(zip.origin() + ": byte order " + quoted_name(text) + ", expected little");
  }
  const std::string entry = stem + "/data.pkl";
  return unpickle(zip.read(entry), zip.origin() + ": " + entry, allowed_globals());
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

TorchReader::TorchReader(const std::filesystem::path& path)
    : zip_((check_kind(path), path)),
      stem_(find_stem(zip_)),
      pickle_(read_pickle_entry(zip_, stem_)) {}

bool TorchReader::is_tensor(const PickleValue& value) {
  const auto* call = value.get_if<PickleCall>();
  return call && (call->name == kRebuildTensor || call->name == kRebuildParameter);
}

// ('storage', torch.FloatStorage, '0', 'cpu', 12345)
std::span<const std::byte> TorchReader::storage(const PickleValue& reference,
                                                const std::string& where,
                                                std::string* dtype) const {
  const auto* persistent = reference.get_if<PicklePersistent>();
  const auto* id = persistent ? persistent->id->get_if<PickleTuple>() : nullptr;
  const auto* type = id && id->items.size() == 5 ? id->items[1]->get_if<PickleGlobal>() : nullptr;
  if (!type || !storage_dtypes().contains(type->name))
    throw InputError(where + ": expected a storage, found " + described(reference));
  *dtype = storage_dtypes().at(type->name);
  const auto bytes = zip_.read(stem_ + "/data/" + text_of(*id->items[2], where + ": storage key"));
  const std::int64_t elements = integer_of(*id->items[4], where + ": storage size");
  const std::uint64_t element = safetensors_dtype_size(*dtype);
  if (elements < 0 || bytes.size() % element != 0 ||
      static_cast<std::uint64_t>(elements) != bytes.size() / element)
    throw InputError(concat(where, ": its storage should hold ", elements, " ", *dtype,
                            ", but has ", bytes.size(), " bytes"));
  return bytes;
}

StridedTensor TorchReader::tensor(const PickleValue& value, const std::string& where) const {
  const auto* call = value.get_if<PickleCall>();
  if (!call || !is_tensor(value))
    throw InputError(where + ": expected a tensor, found " + described(value));
  if (call->name == kRebuildParameter) {
    const bool nested = !call->arguments.empty() && is_tensor(*call->arguments[0]) &&
                        call->arguments[0]->get_if<PickleCall>()->name == kRebuildTensor;
    if (!nested) throw InputError(where + ": a parameter without its tensor");
    return tensor(*call->arguments[0], where);
  }
  // (storage, offset, size, stride, requires_grad, backward_hooks[, metadata])
  if (call->arguments.size() < 4)
    throw InputError(where + ": a tensor is described by too few values");
  StridedTensor result;
  const auto bytes = storage(*call->arguments[0], where, &result.dtype);
  const std::int64_t offset = integer_of(*call->arguments[1], where + ": offset");
  result.shape = sizes_of(*call->arguments[2], where + ": shape");
  result.stride = sizes_of(*call->arguments[3], where + ": strides");
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
