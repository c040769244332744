#include <algorithm>
#include <optional>
#include <utility>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"
#include "gpt/formats/unpickler.h"
#include "gpt/formats/zip_reader.h"

#include "torch_container.h"

namespace gpt {

namespace {

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
    throw InputError(zip.origin() +
                     ": has no data.pkl; it is a zip, but not torch.save's; if it holds a "
                     "checkpoint, unpack it first");
  if (zip.find(*stem + "/constants.pkl"))
    throw InputError(zip.origin() +
                     ": is a TorchScript program (torch.jit.save); torch.save the state_dict() of "
                     "its model instead");
  return *stem;
}

PickleTree read_tree(const ZipReader& zip, const std::string& stem) {
  if (const std::string order = stem + "/byteorder"; zip.find(order)) {
    const auto bytes = zip.read(order);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (text != "little")
      throw InputError(zip.origin() + ": byte order " + quoted_name(text) +
                       ", expected little; save it again on a machine of today's kind");
  }
  const std::string entry = stem + "/data.pkl";
  return unpickle(zip.read(entry), zip.origin() + ": " + entry);
}

class TorchZip : public TorchContainer {
 public:
  explicit TorchZip(const std::filesystem::path& path)
      : zip_(path), stem_(find_stem(zip_)), tree_(read_tree(zip_, stem_)) {}

  const PickleValue& root() const override { return tree_.root(); }
  std::string origin() const override { return zip_.origin(); }
  std::span<const std::byte> storage(const std::string& key, const std::string&) const override {
    return zip_.read(stem_ + "/data/" + key);
  }

 private:
  ZipReader zip_;
  std::string stem_;  // the folder that all entries lie in
  PickleTree tree_;
};

}  // namespace

std::unique_ptr<TorchContainer> open_torch_zip(const std::filesystem::path& path) {
  return std::make_unique<TorchZip>(path);
}

}  // namespace gpt
