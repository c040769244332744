#include <cmath>
#include <cstring>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/strings.h"
#include "gpt/formats/torch_reader.h"
#include "gpt/formats/torch_writer.h"
#include "gpt/formats/zip_writer.h"

#include "support/error_text.h"
#include "support/file_fault.h"
#include "support/python.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using nlohmann::json;
using testing::error_text;
using testing::TempDir;

#define REQUIRE_TORCH(python)                        \
  const std::string python = testing::venv_python(); \
  if (python.empty()) GTEST_SKIP() << "no PyTorch in the cache folder; scripts/setup installs it"

template <class T>
T element(std::span<const std::byte> bytes, std::size_t i) {
  T value;
  std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
  return value;
}

double half(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const double size =
      exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(fraction + 1024, exponent - 25);
  return bits >> 15 ? -size : size;
}

double value_at(const std::string& dtype, std::span<const std::byte> bytes, std::size_t i) {
  if (dtype == "F32") return element<float>(bytes, i);
  if (dtype == "F64") return element<double>(bytes, i);
  if (dtype == "F16") return half(element<std::uint16_t>(bytes, i));
  if (dtype == "BF16") {
    const std::uint32_t bits = std::uint32_t{element<std::uint16_t>(bytes, i)} << 16;
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
  }
  if (dtype == "I64") return static_cast<double>(element<std::int64_t>(bytes, i));
  if (dtype == "I32") return element<std::int32_t>(bytes, i);
  if (dtype == "I16") return element<std::int16_t>(bytes, i);
  if (dtype == "I8") return element<std::int8_t>(bytes, i);
  return element<std::uint8_t>(bytes, i);
}

// Every tensor of a file holds what the JSON says.
void expect_tensors(const fs::path& path, const json& expected) {
  const TorchReader file(path);
  ASSERT_EQ(dict_of(file.root(), "root").items.size(), expected.size());
  for (const auto& [name, facts] : expected.items()) {
    const StridedTensor tensor = file.tensor(member_of(file.root(), name, "root"), name);
    EXPECT_EQ(json(tensor.shape), facts.at("shape")) << name;
    std::vector<std::byte> buffer;
    const auto bytes = row_major(tensor, buffer);
    const json& values = facts.at("values");
    ASSERT_EQ(bytes.size(), values.size() * safetensors_dtype_size(tensor.dtype)) << name;
    for (std::size_t i = 0; i < values.size(); ++i)
      EXPECT_EQ(value_at(tensor.dtype, bytes, i), values[i].get<double>()) << name << " " << i;
  }
}

TEST(TorchReader, ReadsTensorsOfEveryTypeLayoutAndContainer) {
  REQUIRE_TORCH(python);
  const TempDir dir;
  const auto made =
      testing::run_python(python, "tests/formats/torch_files.py", {"make", dir.path()});
  ASSERT_EQ(made.code, 0) << made.out;
  const json expected = json::parse(read_file(dir / "tensors.json"));
  for (const char* name : {"tensors.pt", "old.pt", "step 5: a\\b [v1].pt"})
    expect_tensors(dir / name, expected);

  const TorchReader tied(dir / "tied.pt");
  const auto a = tied.tensor(member_of(tied.root(), "a", ""), "a");
  const auto c = tied.tensor(member_of(tied.root(), "c", ""), "c");
  EXPECT_EQ(a.bytes.data(), c.bytes.data());

  const auto error = [&](const char* name) {
    return error_text([&] {
      const TorchReader reader(dir / name);
      reader.tensor(member_of(reader.root(), "x", "root"), "x");
    });
  };
  EXPECT_NE(error("expanded.pt").find("do not fit into its storage of 24"), std::string::npos);
  EXPECT_EQ(error("module.pt"),
            "x: expected a tensor, found an object of "
            "'torch.nn.modules.linear.Linear'");
  EXPECT_NE(error("script.pt").find("is a TorchScript program"), std::string::npos);
  for (const char* name : {"odd.pt", "odd_old.pt"}) {
    const TorchReader odd(dir / name);
    EXPECT_EQ(error(name), "");
    EXPECT_EQ(items_of(*find(odd.root(), "size"), name).size(), 2u);
    const PickleValue* weights = find(*find(odd.root(), "module"), "_parameters");
    ASSERT_NE(weights, nullptr) << name;
    EXPECT_EQ(odd.tensor(*find(*weights, "weight"), name).shape, (std::vector<std::int64_t>{2, 2}));
  }
}

TEST(TorchReader, ReadsNumpysArrays) {
  const std::string python = testing::venv_python("extras");
  if (python.empty()) GTEST_SKIP() << "no numpy in the cache folder; scripts/setup --with-tests";
  const TempDir dir;
  const auto made =
      testing::run_python(python, "tests/formats/torch_files.py", {"make", dir.path()});
  ASSERT_EQ(made.code, 0) << made.out;
  const json expected = json::parse(read_file(dir / "numpy.json"));
  for (const char* name : {"numpy2.pt", "numpy5.pt"}) expect_tensors(dir / name, expected);
}

// Whatever happens to a file of pickles one behind the other: an error, or the right values.
TEST(TorchLegacy, EveryTruncationIsAnErrorAndDamageNeverLeavesTheFile) {
  REQUIRE_TORCH(python);
  const TempDir dir;
  ASSERT_EQ(testing::run_python(python, "tests/formats/torch_files.py", {"make", dir.path()}).code,
            0);
  const std::string whole = read_file(dir / "small_old.pt");
  const auto error = [&](const std::string& bytes) {
    return error_text([&] {
      const TorchReader file(dir.write("y.pt", bytes));
      std::vector<std::byte> buffer;
      row_major(file.tensor(member_of(file.root(), "x", "root"), "x"), buffer);
    });
  };
  EXPECT_EQ(error(whole), "");
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_NE(error(whole.substr(0, length)), "") << length;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << at % 8));
    error(damaged);  // whatever it says, it comes back
  }
  EXPECT_NE(error(whole + whole).find("bytes follow the last storage"), std::string::npos);
}

const std::vector<float> kTied = {1, 2, 3, 4, 5, 6}, kOther = {0.5f, -1e30f};
const std::vector<std::uint16_t> kBfloat = {0x3F80, 0xC000};

void write_sample(const fs::path& path) {
  TorchWriter file(path);
  PickleWriter& pickle = file.pickle();
  const auto key = [&](const char* name) { pickle.text(name); };
  pickle.open_dict();
  key("ordered"), pickle.open_ordered_dict();
  const auto tied = std::as_bytes(std::span(kTied));
  key("a"), file.tensor({"a", "F32", {2, 3}, tied});
  key("b"), file.tensor({"b", "F32", {2, 3}, tied});
  key("c"), file.tensor({"c", "F32", {2}, std::as_bytes(std::span(kOther))});
  key("d"), file.tensor({"d", "BF16", {2, 1}, std::as_bytes(std::span(kBfloat))});
  key("e"), file.tensor({"e", "F32", {}, std::as_bytes(std::span(kOther).first(1))});
  key("f"), file.tensor({"f", "F32", {0, 4}, {}});
  pickle.close_dict();
  key("plain"), pickle.open_dict();
  key("n"), pickle.none();
  key("t"), pickle.boolean(true);
  key("f"), pickle.boolean(false);
  key("i"), pickle.open_list();
  for (const std::int64_t i : {1l, -1l, 1l << 31, std::numeric_limits<std::int64_t>::min()})
    pickle.integer(i);
  pickle.close_list();
  key("r"), pickle.real(0.1);
  key("s"), pickle.text("\u00e9\n");
  key("u"), pickle.open_tuple(), pickle.integer(1), pickle.integer(2), pickle.close_tuple();
  pickle.close_dict();
  pickle.close_dict();
  const std::uint64_t size = file.save();
  EXPECT_EQ(size, fs::file_size(path));
}

TEST(TorchWriter, WritesWhatTorchLoadsBothWaysAndMapped) {
  REQUIRE_TORCH(python);
  const TempDir dir;
  write_sample(dir / "x.pt");
  const auto read =
      testing::run_python(python, "tests/formats/torch_files.py", {"check", dir / "x.pt"});
  ASSERT_EQ(read.code, 0) << read.out;
  const json found = json::parse(read.out);
  EXPECT_EQ(found.at("a"), json({{"dtype", "float32"}, {"shape", {2, 3}}, {"values", kTied}}));
  EXPECT_EQ(found.at("d"), json({{"dtype", "bfloat16"}, {"shape", {2, 1}}, {"values", {1, -2}}}));
  EXPECT_EQ(found.at("e").at("shape"), json::array());
  EXPECT_EQ(found.at("f").at("shape"), json({0, 4}));
}

TEST(TorchWriter, ReadsBackWhatItWrote) {
  const TempDir dir;
  write_sample(dir / "x.pt");
  const TorchReader file(dir / "x.pt");
  const PickleValue& ordered = member_of(file.root(), "ordered", "root");
  const StridedTensor a = file.tensor(member_of(ordered, "a", ""), "a");
  const StridedTensor b = file.tensor(member_of(ordered, "b", ""), "b");
  EXPECT_EQ(a.bytes.data(), b.bytes.data());
  EXPECT_EQ(std::memcmp(a.bytes.data(), kTied.data(), a.bytes.size()), 0);
  EXPECT_EQ(a.stride, (std::vector<std::int64_t>{3, 1}));
}

TEST(TorchWriter, AFullDiskLeavesNothingAndTheOldFile) {
  const TempDir dir;
  dir.write("x.pt", "old");
  for (const std::string failing : {"write", "fsync", "rename"}) {
    const testing::FileFaultGuard full([&](std::string_view call, const fs::path&, std::size_t*) {
      return call == failing ? ENOSPC : 0;
    });
    EXPECT_THROW(write_sample(dir / "x.pt"), IoError) << failing;
  }
  EXPECT_EQ(read_file(dir / "x.pt"), "old");
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), {}), 1);
}

// A file of one tensor "x" over 24 bytes, described by this pickle.
std::string error_of(const TempDir& dir, const std::function<void(PickleWriter&)>& describe,
                     const std::string& byte_order = "little") {
  PickleWriter pickle;
  pickle.global("torch._utils", "_rebuild_tensor_v2");
  pickle.open_tuple();
  describe(pickle);
  pickle.close_tuple();
  pickle.call();
  ZipWriter zip(dir / "x.pt");
  zip.add("x/data.pkl", pickle.finish());
  zip.add("x/byteorder", byte_order);
  zip.add("x/data/0", std::string(24, '\0'));
  zip.finish();
  return error_text([&] {
    const TorchReader file(dir / "x.pt");
    std::vector<std::byte> buffer;
    row_major(file.tensor(file.root(), "x"), buffer);
  });
}

void storage(PickleWriter& pickle, const char* type, const char* key, std::int64_t elements) {
  pickle.open_tuple();
  pickle.text("storage"), pickle.global("torch", type), pickle.text(key), pickle.text("cpu");
  pickle.integer(elements), pickle.close_tuple(), pickle.persistent();
}

void layout(PickleWriter& pickle, std::int64_t offset, const std::vector<std::int64_t>& shape,
            const std::vector<std::int64_t>& stride) {
  pickle.integer(offset);
  for (const auto* list : {&shape, &stride}) {
    pickle.open_tuple();
    for (const std::int64_t value : *list) pickle.integer(value);
    pickle.close_tuple();
  }
}

TEST(TorchReader, RefusesTensorsOutsideTheirStorage) {
  const TempDir dir;
  const auto laid_out = [&](std::int64_t offset, std::vector<std::int64_t> shape,
                            std::vector<std::int64_t> stride) {
    return error_of(dir, [&](PickleWriter& pickle) {
      storage(pickle, "FloatStorage", "0", 6);
      layout(pickle, offset, shape, stride);
    });
  };
  constexpr std::int64_t kHuge = std::int64_t{1} << 62;
  EXPECT_EQ(laid_out(0, {2, 3}, {3, 1}), "");
  EXPECT_EQ(laid_out(5, {1}, {1}), "");
  EXPECT_EQ(laid_out(6, {0}, {1}), "");
  for (const auto& [offset, shape, stride] :
       std::vector<std::tuple<std::int64_t, std::vector<std::int64_t>, std::vector<std::int64_t>>>{
           {0, {7}, {1}},
           {6, {1}, {1}},
           {1, {2, 3}, {3, 1}},
           {0, {2}, {6}},
           {-1, {1}, {1}},
           {0, {kHuge, 4}, {1, 1}},
           {0, {3}, {kHuge}},
           {kHuge, {kHuge}, {2}},
           {0, {1000}, {0}},
           {0, {2, 3}, {1}},
           {7, {0}, {1}}})
    EXPECT_NE(laid_out(offset, shape, stride).find("do not fit"), std::string::npos) << offset;
  EXPECT_NE(laid_out(0, {-1}, {1}).find("below zero"), std::string::npos);
  EXPECT_NE(laid_out(0, {2}, {-1}).find("below zero"), std::string::npos);
}

TEST(TorchReader, RefusesStoragesThatAreNotWhatTheySay) {
  const TempDir dir;
  const auto stored = [&](const char* type, const char* key, std::int64_t elements) {
    return error_of(dir, [&](PickleWriter& pickle) {
      storage(pickle, type, key, elements);
      layout(pickle, 0, {2}, {1});
    });
  };
  EXPECT_NE(stored("FloatStorage", "0", 7).find("should hold 7 F32"), std::string::npos);
  EXPECT_NE(stored("FloatStorage", "0", -6).find("should hold -6"), std::string::npos);
  EXPECT_NE(stored("FloatStorage", "1", 6).find("'x/data/1' is missing"), std::string::npos);
  EXPECT_NE(stored("FloatStorage", "../data/0", 6).find("is missing"), std::string::npos);
  EXPECT_NE(stored("ComplexFloatStorage", "0", 3).find("'torch.ComplexFloatStorage'"),
            std::string::npos)
      << stored("ComplexFloatStorage", "0", 3);
  EXPECT_NE(stored("_utils._rebuild_parameter", "0", 6).find("expected a storage"),
            std::string::npos);
  EXPECT_NE(error_of(dir, [](PickleWriter& p) { p.none(); }).find("too few"), std::string::npos);
  EXPECT_NE(error_of(
                dir, [](PickleWriter& p) { p.none(); }, "big")
                .find("expected little"),
            std::string::npos);
}

TEST(TorchReader, SaysWhatAFileIsInstead) {
  const TempDir dir;
  const auto error = [&](const std::string& bytes) {
    return error_text([&] { TorchReader(dir.write("y.pt", bytes)); });
  };
  EXPECT_NE(error("").find("y.pt: is empty; copy or download it again"), std::string::npos);
  EXPECT_NE(error("version https://git-lfs.github.com/spec/v1\noid").find("`git lfs pull`"),
            std::string::npos);
  EXPECT_NE(error("\n <!DOCTYPE HTML>").find("is a web page"), std::string::npos);
  EXPECT_NE(error("GGUF\3").find("is a GGUF model"), std::string::npos);
  EXPECT_NE(error("\x1f\x8b").find("is packed by gzip; unpack it"), std::string::npos);
  EXPECT_NE(error("{\"a\": 1}").find("no file of torch.save"), std::string::npos);
  EXPECT_NE(error("\x80\x02}.").find("bare pickle"), std::string::npos);
  ZipWriter zip(dir / "y.pt");
  zip.add("a/other", "x");
  zip.finish();
  EXPECT_NE(error_text([&] { TorchReader(dir / "y.pt"); }).find("has no data.pkl"),
            std::string::npos);
  EXPECT_NE(error_text([&] { TorchReader(dir / "absent.pt"); }).find("absent.pt"),
            std::string::npos);
}

}  // namespace
}  // namespace gpt
