// Our reader and writer against the safetensors package of Python.
#include <cstring>
#include <map>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/formats/safetensors.h"

#include "support/error_text.h"
#include "support/python.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using nlohmann::json;
using testing::error_text;
using testing::TempDir;

// Headers over 24 bytes of data; only the first few are valid.
std::map<std::string, std::string> headers() {
  const auto one = [](const std::string& shape, const std::string& offsets,
                      const std::string& dtype = "F32", const std::string& more = "") {
    return R"({"a":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" +
           offsets + more + "}}";
  };
  const auto two = [](const std::string& first, const std::string& second) {
    return R"({"a":{"dtype":"F32","shape":[3],"data_offsets":)" + first +
           R"(},"b":{"dtype":"F32","shape":[3],"data_offsets":)" + second + "}}";
  };
  return {{"good_one", one("[2,3]", "[0,24]")},
          {"good_two", two("[12,24]", "[0,12]")},
          {"good_padded", one("[6]", "[0,24]") + "      "},
          {"good_zero", one("[0,3]", "[0,0]")
                            .insert(1, R"("b":{"dtype":"F64","shape":[3],)"
                                       R"("data_offsets":[0,24]},)")},
          {"overlap", two("[0,12]", "[6,18]")},
          {"overlap_to_end", R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},)"
                             R"("b":{"dtype":"F32","shape":[4],"data_offsets":[8,24]}})"},
          {"same_bytes", two("[0,12]", "[0,12]")},
          {"hole", two("[0,12]", "[16,28]")},
          {"short_of_end", one("[5]", "[0,20]")},
          {"beyond_end", one("[7]", "[0,28]")},
          {"not_from_zero", one("[5]", "[4,24]")},
          {"backwards", one("[6]", "[24,0]")},
          {"shape_too_large", one("[7]", "[0,24]")},
          {"shape_overflow", one("[4611686018427387904,4]", "[0,24]")},
          {"shape_wraps_to_24", one("[9223372036854775809,2,3]", "[0,24]")},
          {"offset_overflow", one("[6]", "[0,18446744073709551640]")},
          {"negative", one("[-6]", "[0,24]")},
          {"fraction", one("[6.0]", "[0,24]")},
          {"three_offsets", one("[6]", "[0,24,24]")},
          {"one_offset", one("[6]", "[24]")},
          {"dtype", one("[6]", "[0,24]", "F33")},
          {"no_shape", R"({"a":{"dtype":"F32","data_offsets":[0,24]}})"},
          {"array", "[1,2,3]"},
          {"cut_json", R"({"a":{"dtype":"F32")"},
          {"metadata_number", R"({"__metadata__":{"x":1},)" + one("[6]", "[0,24]").substr(1)},
          {"duplicate", R"({"a":{"dtype":"F32","shape":[6],"data_offsets":[0,24]},)" +
                            one("[6]", "[0,24]").substr(1)},
          {"not_utf8", one("[6]", "[0,24]").replace(2, 1, "\xff")}};
}

TEST(SafetensorsPackage, AgreesOnEveryFile) {
  const std::string python = testing::venv_python("extras");
  if (python.empty())
    GTEST_SKIP() << "no safetensors package in the cache folder; scripts/setup --with-tests";
  const TempDir dir;
  const auto put = [&](const std::string& name, std::uint64_t length, const std::string& rest) {
    std::string bytes(8, '\0');
    std::memcpy(bytes.data(), &length, 8);
    dir.write(name + ".safetensors", bytes + rest);
  };
  for (const auto& [name, header] : headers())
    put(name, header.size(), header + std::string(24, '\0'));
  put("bomb", 1ull << 40, "{}");
  put("bomb_all", ~0ull, "{}");
  put("limit", 100'000'001, "{}");
  put("cut", 100, "{}");
  dir.write("empty.safetensors", "");
  dir.write("seven.safetensors", "1234567");

  const std::vector<float> floats = {0, 1, 2, 3, 4, 5};
  const std::vector<std::int64_t> integers = {7};
  const std::vector<TensorView> views = {{"f", "F32", {2, 3}, std::as_bytes(std::span(floats))},
                                         {"\u00e9", "I64", {}, std::as_bytes(std::span(integers))},
                                         {"none", "F32", {0, 2}, {}}};
  write_safetensors(dir / "ours.safetensors", views, {{"k", "v"}});
  const auto read =
      testing::run_python(python, "tests/formats/safetensors_files.py", {"judge", dir.path()});
  ASSERT_EQ(read.code, 0) << read.out;
  const json found = json::parse(read.out);
  EXPECT_EQ(found.at("metadata"), json({{"format", "pt"}, {"k", "v"}}));
  EXPECT_EQ(found.at("ours").at("f"), json({{"shape", {2, 3}}, {"values", floats}}));
  EXPECT_EQ(found.at("ours").at("\u00e9").at("values"), json({7.0}));
  EXPECT_EQ(found.at("ours").at("none").at("shape"), json({0, 2}));
  ASSERT_EQ(found.at("verdicts").size(), headers().size() + 7);
  // The format forbids a key given twice; the package lets the last one win all the same.
  EXPECT_TRUE(found.at("verdicts").at("duplicate").get<bool>());
  for (const auto& [name, good] : found.at("verdicts").items()) {
    const std::string error =
        error_text([&] { const SafetensorsFile file(dir / (name + ".safetensors")); });
    EXPECT_EQ(error.empty(), good.get<bool>() && name != "duplicate") << name << ": " << error;
  }
}

TEST(SafetensorsPackage, ItsFilesReadTheSameHere) {
  const std::string python = testing::venv_python("extras");
  if (python.empty())
    GTEST_SKIP() << "no safetensors package in the cache folder; scripts/setup --with-tests";
  const TempDir dir;
  const auto made =
      testing::run_python(python, "tests/formats/safetensors_files.py", {"make", dir.path()});
  ASSERT_EQ(made.code, 0) << made.out;
  const json expected = json::parse(read_file(dir / "theirs.json"));
  const SafetensorsFile file(dir / "theirs.safetensors");
  EXPECT_EQ(file.metadata().at("who"), "caf\u00e9");
  ASSERT_EQ(file.tensors().size(), expected.size());
  for (const auto& [name, facts] : expected.items()) {
    const TensorView* tensor = file.find(name);
    ASSERT_NE(tensor, nullptr) << name;
    EXPECT_EQ(json(tensor->shape), facts.at("shape")) << name;
    EXPECT_TRUE(name.size() > 4 || name == tensor->dtype) << name << " " << tensor->dtype;
    const json& values = facts.at("values");
    for (std::size_t i = 0; i < values.size() && tensor->dtype == "F32"; ++i) {
      float value = 0;
      std::memcpy(&value, tensor->bytes.data() + 4 * i, 4);
      EXPECT_EQ(value, values[i].get<double>()) << name;
    }
  }
}

}  // namespace
}  // namespace gpt
