#include "gpt/formats/llmc_model.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

constexpr std::int32_t kWeights = 20240326, kState = 20240527, kTokens = 20240520,
                       kWideTokens = 20240801, kHellaswag = 20240522, kTokenizer = 20240328;
constexpr std::int64_t kFloat32 = 3, kBfloat16 = 5;  // versions
constexpr std::uint64_t kHeaderBytes = 256 * sizeof(std::int32_t);

// Sizes are in units of the model's width; columns 0: a vector.
struct Stacked {
  const char* name;  // what follows "transformer.h.0."
  std::int64_t rows, columns;
};
constexpr Stacked kStacked[] = {
    {"ln_1.weight", 1, 0},      {"ln_1.bias", 1, 0},          {"attn.c_attn.weight", 3, 1},
    {"attn.c_attn.bias", 3, 0}, {"attn.c_proj.weight", 1, 1}, {"attn.c_proj.bias", 1, 0},
    {"ln_2.weight", 1, 0},      {"ln_2.bias", 1, 0},          {"mlp.c_fc.weight", 4, 1},
    {"mlp.c_fc.bias", 4, 0},    {"mlp.c_proj.weight", 1, 4},  {"mlp.c_proj.bias", 1, 0}};

std::int32_t number(std::span<const std::byte> bytes, std::size_t index) {
  std::int32_t value = 0;
  if (bytes.size() >= (index + 1) * sizeof value)
    std::memcpy(&value, bytes.data() + index * sizeof value, sizeof value);
  return value;
}

// What else of llm.c begins with this number.
const char* other_file(std::int32_t magic) {
  switch (magic) {
    case kState:
      return "llm.c's optimizer state, which is not read; name the model_*.bin of the same step";
    case kTokens:
    case kWideTokens:
      return "llm.c's tokens; give them with --train_files and --val_files";
    case kHellaswag:
      return "llm.c's HellaSwag questions; give them to gpttrain eval";
    case kTokenizer:
      return "llm.c's tokenizer; it is GPT-2's, which --tokenizer=gpt2 names";
    default:
      return nullptr;
  }
}

}  // namespace

bool is_llmc(std::span<const std::byte> bytes) {
  const std::int32_t magic = number(bytes, 0);
  return magic == kWeights || other_file(magic);
}

LlmcModel::LlmcModel(const std::filesystem::path& path) : file_(path) {
  read_header();
  const std::int64_t version = number(file_.bytes(), 1);
  index_tensors(version == kFloat32 ? sizeof(float) : sizeof(std::uint16_t));
  file_.check_unchanged();
}

void LlmcModel::read_header() {
  const std::string origin = file_.path().string();
  const auto bytes = file_.bytes();
  if (const char* other = other_file(number(bytes, 0))) throw InputError(origin + ": is " + other);
  if (number(bytes, 0) != kWeights)
    throw InputError(origin + ": is no file of llm.c's weights (they begin with 20240326)");
  if (bytes.size() < kHeaderBytes)
    throw InputError(origin + ": ends within its header; it is cut short, copy it again");
  const std::int64_t version = number(bytes, 1);
  if (version != kFloat32 && version != kBfloat16)
    throw InputError(
        concat(origin, ": is version ", version, " of llm.c's weights; 3 (float32) ",
               "and 5 (bfloat16) are read: write it again with today's train_gpt2.py"));
  const auto size = [&](std::size_t index, const char* what, std::int64_t most) {
    const std::int64_t value = number(bytes, index);
    if (value < 1 || value > most)
      throw InputError(concat(origin, ": its header says ", value, " ", what, ", expected 1 to ",
                              most, "; it is damaged, copy it again"));
    return value;
  };
  positions_ = size(2, "positions", 10'000'000);
  vocabulary_ = size(3, "tokens", 10'000'000);
  layers_ = size(4, "layers", 1000);
  heads_ = size(5, "heads", 1000);
  width_ = size(6, "columns", 100'000);
  padded_vocabulary_ = size(7, "rows of tokens", 10'000'000);
  if (padded_vocabulary_ < vocabulary_ || width_ % heads_ != 0)
    throw InputError(concat(origin, ": its header says ", heads_, " heads, a width of ", width_,
                            " and ", padded_vocabulary_, " rows for ", vocabulary_,
                            " tokens, which make no GPT-2; it is damaged, copy it again"));
}

void LlmcModel::index_tensors(std::uint64_t element) {
  const auto data = file_.bytes().subspan(kHeaderBytes);
  const std::string dtype = element == sizeof(float) ? "F32" : "BF16";
  // The sizes above keep every product within 64 bits.
  const auto width = static_cast<std::uint64_t>(width_),
             layers = static_cast<std::uint64_t>(layers_);
  std::uint64_t vectors = 2, matrices = 0;  // the last LayerNorm; in units of width and its square
  for (const Stacked& stacked : kStacked)
    (stacked.columns == 0 ? vectors : matrices) +=
        layers * static_cast<std::uint64_t>(stacked.rows) *
        static_cast<std::uint64_t>(std::max<std::int64_t>(1, stacked.columns));
  const std::uint64_t expected =
      element * width *
      (static_cast<std::uint64_t>(padded_vocabulary_ + positions_) + vectors + matrices * width);
  if (data.size() != expected)
    throw InputError(concat(file_.path().string(), ": its header promises ", expected,
                            " bytes of weights, found ", data.size(),
                            "; it is cut short or damaged, copy it again"));
  std::uint64_t at = 0;
  const auto take = [&](std::string name, std::vector<std::int64_t> shape, std::uint64_t rows) {
    std::uint64_t size = element;
    for (const std::int64_t length : shape) size *= static_cast<std::uint64_t>(length);
    tensors_.push_back({std::move(name), dtype, std::move(shape), data.subspan(at, size)});
    at += rows == 0 ? size : element * rows * width;
  };
  take("transformer.wte.weight", {vocabulary_, width_},
       static_cast<std::uint64_t>(padded_vocabulary_));
  take("transformer.wpe.weight", {positions_, width_}, 0);
  for (const Stacked& stacked : kStacked)
    for (std::int64_t layer = 0; layer < layers_; ++layer) {
      std::vector<std::int64_t> shape{stacked.rows * width_};
      if (stacked.columns > 0) shape.push_back(stacked.columns * width_);
      take(concat("transformer.h.", layer, ".", stacked.name), std::move(shape), 0);
    }
  take("transformer.ln_f.weight", {width_}, 0);
  take("transformer.ln_f.bias", {width_}, 0);
}

}  // namespace gpt
