#include <cstring>

#include <gtest/gtest.h>

#include "gpt/base/strings.h"
#include "gpt/formats/llmc_model.h"

#include "support/error_text.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::TempDir;

// As llm.c's train_gpt2.py writes it, for 2 positions, 3 tokens in 4 rows, 2 layers, 1 head and a
// width of 2: each number is its place among all.
struct Sample {
  std::vector<std::int32_t> header = std::vector<std::int32_t>(256, 0);
  std::vector<float> values;

  Sample() {
    const std::int32_t begin[] = {20240326, 3, 2, 3, 2, 1, 2, 4};
    std::copy(std::begin(begin), std::end(begin), header.begin());
    constexpr int kCount = 4 * 2 + 2 * 2 + 2 * (13 * 2 + 12 * 4) + 2 * 2;
    for (int i = 0; i < kCount; ++i) values.push_back(static_cast<float>(i));
  }
  std::string bytes() const {
    std::string out(reinterpret_cast<const char*>(header.data()), 1024);
    for (const float value : values) {
      std::uint32_t bits;
      std::memcpy(&bits, &value, 4);
      if (header[1] == 5)  // the upper half: these numbers have no more digits
        out.append(reinterpret_cast<const char*>(&bits) + 2, 2);
      else
        out.append(reinterpret_cast<const char*>(&bits), 4);
    }
    return out;
  }
};

float first_of(const TensorView& tensor) {
  std::uint32_t bits = 0;
  if (tensor.dtype == "BF16")
    std::memcpy(reinterpret_cast<char*>(&bits) + 2, tensor.bytes.data(), 2);
  else
    std::memcpy(&bits, tensor.bytes.data(), 4);
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

TEST(LlmcModel, FindsEveryLayersTensorInBothTypes) {
  const TempDir dir;
  for (const std::int32_t version : {3, 5}) {
    Sample sample;
    sample.header[1] = version;
    const LlmcModel model(dir.write("gpt2.bin", sample.bytes()));
    EXPECT_EQ(model.vocabulary(), 3);
    EXPECT_EQ(model.positions(), 2);
    EXPECT_EQ(model.layers(), 2);
    EXPECT_EQ(model.heads(), 1);
    EXPECT_EQ(model.width(), 2);
    ASSERT_EQ(model.tensors().size(), 28u);
    const auto expect = [&](const char* name, std::vector<std::int64_t> shape, float first) {
      for (const TensorView& tensor : model.tensors()) {
        if (tensor.name != name) continue;
        EXPECT_EQ(tensor.shape, shape) << name;
        EXPECT_EQ(tensor.dtype, version == 3 ? "F32" : "BF16");
        EXPECT_EQ(first_of(tensor), first) << name;
        return;
      }
      ADD_FAILURE() << name;
    };
    // The padded row is not ours, but it takes its place.
    expect("transformer.wte.weight", {3, 2}, 0);
    expect("transformer.wpe.weight", {2, 2}, 8);
    expect("transformer.h.0.ln_1.weight", {2}, 12);
    expect("transformer.h.1.ln_1.weight", {2}, 14);
    expect("transformer.h.0.ln_1.bias", {2}, 16);
    expect("transformer.h.0.attn.c_attn.weight", {6, 2}, 20);
    expect("transformer.h.1.attn.c_attn.weight", {6, 2}, 32);
    expect("transformer.h.1.mlp.c_proj.weight", {2, 8}, 12 + 132 - 4);
    expect("transformer.ln_f.weight", {2}, 12 + 148);
    expect("transformer.ln_f.bias", {2}, 12 + 150);
  }
}

TEST(LlmcModel, SaysWhatIsWrong) {
  const TempDir dir;
  const auto error = [&](std::size_t place, std::int32_t value) {
    Sample sample;
    sample.header[place] = value;
    return error_text([&] { LlmcModel(dir.write("x.bin", sample.bytes())); });
  };
  EXPECT_NE(error(0, 5).find("is no file of llm.c's weights"), std::string::npos);
  EXPECT_NE(error(0, 20240527).find("is llm.c's optimizer state, which is not read"),
            std::string::npos);
  EXPECT_NE(error(0, 20240520).find("is llm.c's tokens; give them with --train_files"),
            std::string::npos);
  EXPECT_NE(error(1, 4).find("is version 4 of llm.c's weights"), std::string::npos);
  EXPECT_NE(error(4, 3).find("cut short or damaged"), std::string::npos);
  EXPECT_NE(error(4, -1).find("-1 layers, expected 1 to 1000"), std::string::npos);
  EXPECT_NE(error(5, 3).find("make no GPT-2"), std::string::npos);
  EXPECT_NE(error(7, 2).find("make no GPT-2"), std::string::npos);
  const std::string whole = Sample().bytes();
  for (const std::size_t length :
       {std::size_t{4}, std::size_t{1023}, std::size_t{1024}, whole.size() - 1})
    EXPECT_NE(error_text([&] { LlmcModel(dir.write("x.bin", whole.substr(0, length))); }), "");
  EXPECT_NE(error_text([&] { LlmcModel(dir.write("x.bin", whole + "x")); }), "");
}

}  // namespace
}  // namespace gpt
