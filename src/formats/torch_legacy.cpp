#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"
#include "gpt/formats/safetensors.h"
#include "gpt/formats/unpickler.h"

#include "torch_container.h"

namespace gpt {

namespace {

// The pickle of 0x1950a86a20f9469cfc6c, up to its end.
constexpr std::string_view kMagic = "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
constexpr std::int64_t kProtocol = 1001;
constexpr const char* kDamaged = "; it is cut short or damaged, save or copy it again";

// Reads front to back: the magic number, the protocol, the machine, the value, the keys of the
// storages, and for each of them its number of elements (64 bits) and its bytes.
class TorchLegacy : public TorchContainer {
 public:
  explicit TorchLegacy(const std::filesystem::path& path) : file_(path) {
    next_pickle();
    const PickleTree protocol = next_pickle();
    if (const std::int64_t found = integer_of(protocol.root(), origin() + ": protocol");
        found != kProtocol)
      fail(concat("protocol ", found, ", expected ", kProtocol));
    const PickleTree machine = next_pickle();
    if (const PickleValue* little = find(machine.root(), "little_endian"))
      if (const auto* flag = little->get_if<bool>(); flag && !*flag)
        throw InputError(origin() +
                         ": comes from a big-endian machine; load it there and save its numbers "
                         "another way");
    tree_ = next_pickle();
    const PickleTree keys = next_pickle();
    std::map<std::string, StorageReference> known;
    for (const PickleValue& value : tree_.values())
      if (StorageReference reference; read_storage_reference(value, &reference))
        known.emplace(reference.key, reference);
    for (const PickleValue* key : items_of(keys.root(), origin() + ": the keys of its storages"))
      take_storage(text_of(*key, origin() + ": a storage's key"), known);
    if (at_ != file_.bytes().size())
      fail(concat(file_.bytes().size() - at_,
                  " bytes follow the last storage; torch.save each object to a file of its own"));
    file_.check_unchanged();
  }

  const PickleValue& root() const override { return tree_.root(); }
  std::string origin() const override { return file_.path().string(); }

  std::span<const std::byte> storage(const std::string& key,
                                     const std::string& where) const override {
    const auto found = storages_.find(key);
    if (found == storages_.end())
      throw InputError(where + ": storage " + quoted_name(key) + " is missing" + kDamaged);
    return found->second;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw InputError(origin() + ": " + what);
  }

  PickleTree next_pickle() {
    std::size_t size = 0;
    PickleTree tree = unpickle_first(file_.bytes().subspan(at_),
                                     concat(origin(), ": from byte ", at_, " on"), &size);
    at_ += size;
    return tree;
  }

  void take_storage(const std::string& key, const std::map<std::string, StorageReference>& known) {
    const auto found = known.find(key);
    if (found == known.end()) fail("no tensor looks into storage " + quoted_name(key) + kDamaged);
    const std::span<const std::byte> rest = file_.bytes().subspan(at_);
    std::int64_t elements = 0;
    if (rest.size() < sizeof elements) fail("ends before storage " + quoted_name(key) + kDamaged);
    std::memcpy(&elements, rest.data(), sizeof elements);
    const std::uint64_t element = safetensors_dtype_size(found->second.dtype);
    const std::uint64_t left = rest.size() - sizeof elements;
    if (elements < 0 || static_cast<std::uint64_t>(elements) > left / element)
      fail(concat("storage ", quoted_name(key), " of ", elements, " ", found->second.dtype,
                  " does not fit into the ", left, " bytes that are left", kDamaged));
    const std::uint64_t size = static_cast<std::uint64_t>(elements) * element;
    if (!storages_.emplace(key, rest.subspan(sizeof elements, size)).second)
      fail("storage " + quoted_name(key) + " comes twice" + kDamaged);
    at_ += sizeof elements + size;
  }

  MappedFile file_;
  std::size_t at_ = 0;
  PickleTree tree_;
  std::map<std::string, std::span<const std::byte>> storages_;
};

}  // namespace

bool is_torch_legacy(std::span<const std::byte> bytes) {
  return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size())
      .starts_with(kMagic);
}

std::unique_ptr<TorchContainer> open_torch_legacy(const std::filesystem::path& path) {
  return std::make_unique<TorchLegacy>(path);
}

}  // namespace gpt
