#include <array>
#include <vector>

#include "gpt/base/checksum.h"
#include "gpt/base/strings.h"
#include "gpt/checkpoint/manifest.h"
#include "gpt/data/token_file.h"
#include "gpt/data/token_mask.h"
#include "gpt/formats/llmc_model.h"
#include "gpt/formats/safetensors.h"
#include "gpt/formats/torch_reader.h"
#include "gpt/formats/unpickler.h"
#include "gpt/formats/zip_reader.h"
#include "gpt/formats/zip_writer.h"

#include "fuzz/targets.h"
#include "support/temp_dir.h"

namespace gpt::fuzz {

namespace {

// Every byte is looked at, so that a view which leaves the file does not go unseen.
void touch(std::span<const std::byte> bytes) {
  unsigned sum = 0;
  for (const std::byte byte : bytes) sum += std::to_integer<unsigned>(byte);
  volatile unsigned seen = sum;
  static_cast<void>(seen);
}

// All tensors at any depth. A value that is held in many places is read in each; `budget` bounds
// the walk, because few bytes can make a tree of very many paths.
void read_tensors(const TorchReader& file, const PickleValue& value, int& budget) {
  if (--budget < 0) return;
  if (TorchReader::is_tensor(value)) {
    std::vector<std::byte> buffer;
    touch(row_major(file.tensor(value, "input: a tensor"), buffer));
  } else if (const auto* dict = value.get_if<PickleDict>()) {
    for (const auto& [key, item] : dict->items) read_tensors(file, *item, budget);
  } else if (const auto* list = value.get_if<PickleList>()) {
    for (const PickleValue* item : list->items) read_tensors(file, *item, budget);
  } else if (const auto* tuple = value.get_if<PickleTuple>()) {
    for (const PickleValue* item : tuple->items) read_tensors(file, *item, budget);
  }
}

void read_torch_file(const std::string& path) {
  const TorchReader file(path);
  described(file.root());
  int budget = 1000;
  read_tensors(file, file.root(), budget);
}

}  // namespace

void read_safetensors(std::string_view bytes) {
  const BytesFile input(bytes);
  const SafetensorsFile file(input.path());
  for (const TensorView& tensor : file.tensors()) {
    touch(tensor.bytes);
    file.find(tensor.name);
  }
}

void read_zip(std::string_view bytes) {
  const BytesFile input(bytes);
  {
    const ZipReader zip(input.path());
    for (const ZipEntry& entry : zip.entries()) touch(entry.bytes);
    for (const ZipEntry& entry : zip.entries()) zip.read(entry.name);
  }
  read_torch_file(input.path());
}

void read_pickle(std::string_view bytes) {
  const PickleTree tree = unpickle(as_bytes(bytes), "input");
  described(tree.root());
  find(tree.root(), "model");
}

void read_torch(std::string_view bytes) {
  const testing::TempDir dir;  // a file without a name cannot be written by name
  const std::string path = (dir / "archive.pt").string();
  ZipWriter zip(path);
  zip.add("archive/data.pkl", bytes);
  zip.add("archive/byteorder", "little");
  zip.add("archive/data/0", std::string(96, '\x01'));
  zip.add("archive/data/1", std::string(6, '\x02'));
  zip.add("archive/version", "3\n");
  zip.finish();
  read_torch_file(path);
}

void read_torch_legacy(std::string_view bytes) {
  const BytesFile input(bytes);
  read_torch_file(input.path());
}

void read_llmc(std::string_view bytes) {
  const BytesFile input(bytes);
  const LlmcModel model(input.path());
  for (const TensorView& tensor : model.tensors()) touch(tensor.bytes);
}

void read_tokens(std::string_view bytes) {
  const BytesFile input(bytes);
  for (const TokenWidth width : {TokenWidth::k16, TokenWidth::k32}) {
    const TokenShard shard(input.path(), width);
    const TokenFile file({input.path(), input.path()}, /*block_size=*/4, /*vocab_size=*/70000,
                         width);
    std::vector<std::int64_t> tokens(static_cast<std::size_t>(file.size()));
    file.copy(0, file.size(), tokens.data());
    file.copy(shard.size() - 2, 5, tokens.data());
  }
}

void read_mask(std::string_view bytes) {
  const BytesFile input(bytes);
  const auto size = static_cast<std::int64_t>(bytes.size());
  const TokenMask mask(input.path(), size);
  if (mask.counted(0, size) > size) throw std::logic_error("more tokens count than there are");
}

void read_manifest(std::string_view bytes) {
  read_or_refuse([&] { parse_manifest(bytes, "input"); });
  const std::string body(bytes);
  const std::string whole =
      concat(body, ",\n  \"crc32c\": \"", hex32(crc32c(as_bytes(body))), "\"\n}\n");
  const Manifest manifest = parse_manifest(whole, "input");
  parse_manifest(to_json(manifest), "input written again");
}

}  // namespace gpt::fuzz
