#include "gpt/formats/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

#include "gpt/base/checksum.h"
#include "gpt/base/error.h"
#include "gpt/base/file_kind.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"

#include "safetensors_header.h"

namespace gpt {

namespace {

static_assert(std::endian::native == std::endian::little, "the format's numbers are little endian");

constexpr std::size_t kPrefix = 8;  // the header length; headers are padded to a multiple of it

// Writes and sums in pieces that stay in the cache between the two.
class SummedFile {
 public:
  explicit SummedFile(const std::filesystem::path& path) : file_(path) {}
  void write(std::span<const std::byte> bytes) {
    constexpr std::size_t kPiece = std::size_t{1} << 20;
    while (!bytes.empty()) {
      const auto piece = bytes.first(std::min(kPiece, bytes.size()));
      crc_.update(piece);
      file_.write(piece);
      saved_.size += piece.size();
      bytes = bytes.subspan(piece.size());
    }
  }
  SavedFile finish() {
    file_.sync();
    file_.close();
    saved_.crc32c = crc_.value();
    return saved_;
  }

 private:
  OutputFile file_;
  Crc32c crc_;
  SavedFile saved_;
};

void check_tensor(const TensorView& tensor, const std::string& origin) {
  const std::string where = origin + ": tensor " + quoted_name(tensor.name) + ": ";
  if (tensor.name == "__metadata__") throw Error(where + "the name is reserved");
  const std::size_t element = safetensors_dtype_size(tensor.dtype);
  if (element == 0) throw Error(where + "unknown dtype " + quoted_name(tensor.dtype));
  std::uint64_t bytes = 0;
  if (!tensor_bytes(tensor.shape, element, &bytes) || bytes != tensor.bytes.size())
    throw Error(
        concat(where, "shape and dtype do not fit the ", tensor.bytes.size(), " bytes given"));
}

std::string header_text(const std::vector<const TensorView*>& tensors,
                        std::map<std::string, std::string> metadata, const std::string& origin) {
  metadata.try_emplace("format", "pt");
  nlohmann::ordered_json header;
  header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const TensorView* tensor : tensors) {
    const std::uint64_t end = offset + tensor->bytes.size();
    header[tensor->name] = {
        {"dtype", tensor->dtype}, {"shape", tensor->shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception&) {
    throw Error(origin + ": a tensor name or metadata text is not UTF-8");
  }
  text.resize((text.size() + kPrefix - 1) / kPrefix * kPrefix, ' ');
  if (text.size() > kMaxHeaderBytes)
    throw Error(concat(origin, ": the header needs ", text.size(), " bytes, the format allows ",
                       kMaxHeaderBytes));
  return text;
}

}  // namespace

std::size_t safetensors_dtype_size(std::string_view dtype) {
  static const std::map<std::string_view, std::size_t> kSizes = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1}, {"F8_E8M0", 1},
      {"I16", 2},  {"U16", 2}, {"F16", 2}, {"BF16", 2},    {"I32", 4},     {"U32", 4},
      {"F32", 4},  {"I64", 8}, {"U64", 8}, {"F64", 8},     {"C64", 8}};
  const auto found = kSizes.find(dtype);
  return found == kSizes.end() ? 0 : found->second;
}

SavedFile write_safetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                            const std::map<std::string, std::string>& metadata) {
  std::vector<const TensorView*> ordered;
  std::set<std::string_view> names;
  for (const TensorView& tensor : tensors) {
    check_tensor(tensor, path.string());
    if (!names.insert(tensor.name).second)
      throw Error(path.string() + ": tensor " + quoted_name(tensor.name) + " is given twice");
    ordered.push_back(&tensor);
  }
  std::sort(ordered.begin(), ordered.end(), [](const TensorView* a, const TensorView* b) {
    const std::size_t size_a = safetensors_dtype_size(a->dtype);
    const std::size_t size_b = safetensors_dtype_size(b->dtype);
    return size_a != size_b ? size_a > size_b : a->name < b->name;
  });
  const std::string header = header_text(ordered, metadata, path.string());
  const std::uint64_t length = header.size();

  SummedFile file(path);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(std::as_bytes(std::span(header.data(), header.size())));
  for (const TensorView* tensor : ordered) {
    file.write(tensor->bytes);
    check_mapped(tensor->bytes);
  }
  return file.finish();
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : file_(path) {
  const std::string origin = path.string();
  const auto bytes = file_.bytes();
  // The length of a header may begin like another format, but then no header follows.
  if (bytes.size() <= kPrefix || bytes[kPrefix] != std::byte{'{'}) refuse_foreign_file(path, bytes);
  if (bytes.size() < kPrefix)
    throw InputError(
        concat(origin, ": ", bytes.size(), " bytes are too few for a safetensors file"));
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kPrefix);
  if (length > kMaxHeaderBytes)
    throw InputError(concat(origin, ": header of ", length, " bytes, at most ", kMaxHeaderBytes,
                            " are allowed; this is no safetensors file or it is damaged"));
  if (length > bytes.size() - kPrefix)
    throw InputError(concat(origin, ": header of ", length, " bytes, the file has only ",
                            bytes.size() - kPrefix, " after the length; it is cut short"));
  const std::string_view json(reinterpret_cast<const char*>(bytes.data()) + kPrefix, length);
  const auto data = bytes.subspan(kPrefix + length);
  SafetensorsHeader header = parse_safetensors_header(json, data.size(), origin);
  metadata_ = std::move(header.metadata);
  for (HeaderEntry& entry : header.entries) {
    const auto [begin, end] = entry.offsets;
    index_[entry.name] = tensors_.size();
    tensors_.push_back({std::move(entry.name), std::move(entry.dtype), std::move(entry.shape),
                        data.subspan(begin, end - begin)});
  }
  file_.check_unchanged();
}

const TensorView* SafetensorsFile::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

}  // namespace gpt
