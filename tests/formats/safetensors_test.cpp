#include "gpt/formats/safetensors.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "gpt/base/checksum.h"
#include "gpt/base/error.h"

#include "support/error_text.h"
#include "support/file_fault.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::TempDir;

template <class T>
TensorView view(std::string name, std::string dtype, std::vector<std::int64_t> shape,
                const std::vector<T>& values) {
  return {std::move(name), std::move(dtype), std::move(shape), std::as_bytes(std::span(values))};
}

std::string with_length(std::uint64_t length, const std::string& rest) {
  std::string text(8, '\0');
  std::memcpy(text.data(), &length, 8);
  return text + rest;
}

std::string file_of(const std::string& header, std::size_t data_bytes) {
  return with_length(header.size(), header + std::string(data_bytes, '\1'));
}

std::string tensor(const std::string& name, const std::string& dtype, const std::string& shape,
                   const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + "}";
}

// What reading a file with these bytes says; "" if it is taken.
std::string complaint(const std::string& bytes) {
  const TempDir dir;
  const auto path = dir.write("x.safetensors", bytes);
  return error_text([&] { SafetensorsFile file(path); });
}

void expect_refused(const std::string& bytes, const std::string& reason) {
  const std::string text = complaint(bytes);
  EXPECT_NE(text.find(reason), std::string::npos) << "got '" << text << "', wanted " << reason;
  EXPECT_EQ(text.find('\n'), std::string::npos) << text;
}

TEST(Safetensors, TensorsComeBack) {
  const TempDir dir;
  const std::vector<float> floats = {1.5f, -2, 3, 4, 5, 6};
  const std::vector<std::int64_t> longs = {1, -1};
  const std::vector<std::uint8_t> bytes = {7, 8, 9}, one = {42}, none;
  const std::vector<TensorView> all = {
      view("h.0.w", "F32", {2, 3}, floats), view("mask", "U8", {3}, bytes),
      view("count", "I64", {2}, longs), view("scalar", "U8", {}, one),
      view("empty", "F32", {0, 4}, none)};
  const SavedFile saved = write_safetensors(dir / "a.safetensors", all, {{"step", "7"}});

  const SafetensorsFile file(dir / "a.safetensors");
  ASSERT_EQ(file.tensors().size(), 5u);
  for (const TensorView& expected : all) {
    const TensorView* found = file.find(expected.name);
    ASSERT_TRUE(found) << expected.name;
    EXPECT_EQ(found->dtype, expected.dtype);
    EXPECT_EQ(found->shape, expected.shape);
    EXPECT_TRUE(std::equal(found->bytes.begin(), found->bytes.end(), expected.bytes.begin(),
                           expected.bytes.end()))
        << expected.name;
  }
  EXPECT_EQ(file.find("h.0"), nullptr);
  EXPECT_EQ(file.metadata().at("step"), "7");
  EXPECT_EQ(file.metadata().at("format"), "pt");
  const std::string whole = read_file(dir / "a.safetensors");
  EXPECT_EQ(saved.size, whole.size());
  EXPECT_EQ(saved.crc32c, crc32c(std::as_bytes(std::span(whole.data(), whole.size()))));
}

TEST(Safetensors, TheBytesAreTheFormats) {
  const TempDir dir;
  const std::vector<float> a = {1};
  const std::vector<double> b = {2};
  const std::vector<TensorView> tensors = {view("a", "F32", {1}, a), view("b", "F64", {}, b)};
  write_safetensors(dir / "a.safetensors", tensors, {{"format", "other"}});
  std::string header =
      "{\"__metadata__\":{\"format\":\"other\"},"
      "\"b\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]},"
      "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  std::string expected = with_length(header.size(), header);
  expected.append(reinterpret_cast<const char*>(b.data()), 8);
  expected.append(reinterpret_cast<const char*>(a.data()), 4);
  EXPECT_EQ(read_file(dir / "a.safetensors"), expected);
}

TEST(Safetensors, WritesByElementSizeThenName) {
  const TempDir dir;
  const std::vector<std::uint64_t> data(1);
  const auto bytes = std::as_bytes(std::span(data));
  const std::vector<TensorView> tensors = {{"c", "U8", {1}, bytes.first(1)},
                                           {"b", "BF16", {1}, bytes.first(2)},
                                           {"z", "F32", {1}, bytes.first(4)},
                                           {"a", "F32", {1}, bytes.first(4)},
                                           {"d", "I64", {1}, bytes}};
  write_safetensors(dir / "a.safetensors", tensors);
  const SafetensorsFile file(dir / "a.safetensors");
  std::string order;
  for (const TensorView& t : file.tensors()) {
    order += t.name;
    const auto address = reinterpret_cast<std::uintptr_t>(t.bytes.data());
    EXPECT_EQ(address % safetensors_dtype_size(t.dtype), 0u) << t.name;
  }
  EXPECT_EQ(order, "dazbc");
}

TEST(Safetensors, AContradictoryTensorIsNotWritten) {
  const TempDir dir;
  const std::vector<float> two(2);
  const auto refused = [&](std::vector<TensorView> tensors) {
    const std::string text = error_text([&] { write_safetensors(dir / "a", tensors); });
    EXPECT_FALSE(fs::exists(dir / "a"));
    return text;
  };
  EXPECT_NE(refused({view("w", "F32", {3}, two)}).find("do not fit the 8 bytes"),
            std::string::npos);
  EXPECT_NE(refused({view("w", "F33", {2}, two)}).find("unknown dtype"), std::string::npos);
  EXPECT_NE(refused({view("w", "F32", {-1, -2}, two)}), "");
  EXPECT_NE(refused({view("__metadata__", "F32", {2}, two)}).find("reserved"), std::string::npos);
  EXPECT_NE(refused({view("w", "F32", {2}, two), view("w", "F32", {2}, two)}).find("twice"),
            std::string::npos);
  EXPECT_NE(refused({view("\xff", "F32", {2}, two)}).find("UTF-8"), std::string::npos);
}

TEST(Safetensors, AFailedWriteIsAnIoError) {
  const TempDir dir;
  const std::vector<float> values(8);
  const std::vector<TensorView> tensors = {view("w", "F32", {8}, values)};
  for (const std::string fail : {"open", "write", "fsync", "close"}) {
    const testing::FileFaultGuard guard([&](std::string_view call, const fs::path&, std::size_t*) {
      return call == fail ? 28 : 0;
    });
    EXPECT_THROW(write_safetensors(dir / "a", tensors), IoError) << fail;
  }
}

TEST(Safetensors, TakesWhatTheFormatAllows) {
  EXPECT_EQ(complaint(file_of("{}", 0)), "");
  EXPECT_EQ(complaint(file_of("{}      ", 0)), "");
  EXPECT_EQ(complaint(file_of("{\"__metadata__\":{}}", 0)), "");
  EXPECT_EQ(complaint(file_of("{" + tensor("s", "F32", "[]", "[0,4]") + "}", 4)), "");
  EXPECT_EQ(complaint(file_of("{" + tensor("e", "F64", "[5,0]", "[0,0]") + "}", 0)), "");
  // Out of order in the header, in order in the data; an empty one in between; unaligned.
  EXPECT_EQ(complaint(file_of("{" + tensor("b", "F32", "[1]", "[1,5]") + "," +
                                  tensor("e", "F32", "[0]", "[1,1]") + "," +
                                  tensor("a", "U8", "[1]", "[0,1]") + "}",
                              5)),
            "");
  EXPECT_EQ(complaint(file_of("{" + tensor("\\u00e9\xc3\xa9", "U8", "[1]", "[0,1]") + "}", 1)), "");
}

TEST(Safetensors, RefusesABadLength) {
  expect_refused("", "is empty; copy or download it again");
  expect_refused(std::string(7, '\0'), "too few");
  expect_refused(with_length(0, ""), "'{'");
  expect_refused(with_length(3, "{}"), "cut short");
  expect_refused(with_length(100'000'001, "{}"), "at most 100000000");
  expect_refused(with_length(std::numeric_limits<std::uint64_t>::max(), "{}"), "at most");
}

TEST(Safetensors, RefusesBadJson) {
  expect_refused(file_of(" {}", 0), "'{'");
  expect_refused(file_of("[]", 0), "'{'");
  expect_refused(file_of("{}}", 0), "not valid UTF-8 JSON");
  expect_refused(file_of("{} x", 0), "'}'");
  expect_refused(file_of("{}\n", 0), "'}'");
  expect_refused(file_of(std::string("{}\0\0", 4), 0), "'}'");
  expect_refused(file_of(std::string("{\0}", 3), 0), "NUL");
  expect_refused(file_of("{\"a\":}", 0), "not valid UTF-8 JSON");
  expect_refused(file_of("{" + tensor("\xff", "U8", "[1]", "[0,1]") + "}", 1), "UTF-8");
  expect_refused(file_of("{" + tensor("\\ud800", "U8", "[1]", "[0,1]") + "}", 1), "UTF-8");
  expect_refused(file_of("{/* */}", 0), "not valid");
  const std::string deep = std::string(200'000, '[') + std::string(200'000, ']');
  expect_refused(file_of("{\"a\":" + deep + "}", 0), "found an array");
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  expect_refused(file_of(objects + "1" + std::string(100'000, '}'), 0), "");
  EXPECT_NE(complaint(file_of(objects + "1" + std::string(100'000, '}'), 0)), "");
}

TEST(Safetensors, RefusesBadMetadata) {
  expect_refused(file_of("{\"__metadata__\":{\"a\":1}}", 0), "expected a string, found a number");
  expect_refused(file_of("{\"__metadata__\":{\"a\":null}}", 0), "found null");
  expect_refused(file_of("{\"__metadata__\":{\"a\":{}}}", 0), "found an object");
  expect_refused(file_of("{\"__metadata__\":[]}", 0), "found an array");
  expect_refused(file_of("{\"__metadata__\":\"a\"}", 0), "found a string");
  expect_refused(file_of("{\"__metadata__\":{\"a\":\"b\",\"a\":\"c\"}}", 0), "duplicate");
  expect_refused(file_of("{\"__metadata__\":{},\"__metadata__\":{}}", 0), "duplicate");
}

TEST(Safetensors, RefusesBadEntries) {
  const auto refused = [](const std::string& entry, const std::string& reason) {
    expect_refused(file_of("{" + entry + "}", 4), reason);
  };
  refused("\"a\":1", "expected an object, found a number");
  refused("\"a\":{}", "missing");
  refused("\"a\":{\"dtype\":\"F32\",\"shape\":[1]}", "missing");
  refused("\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}", "missing");
  refused("\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}", "missing");
  refused("\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}",
          "duplicate key");
  refused("\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}", "unknown key");
  refused("\"a\":{\"dtype\":5,\"shape\":[1],\"data_offsets\":[0,4]}", "found a number");
  refused(tensor("a", "F31", "[1]", "[0,4]"), "unknown dtype 'F31'");
  refused(tensor("a", "f32", "[1]", "[0,4]"), "unknown dtype");
  refused(tensor("a", "F32", "[-1]", "[0,4]"), "a negative number");
  refused(tensor("a", "F32", "[1.0]", "[0,4]"), "no 64-bit integer");
  refused(tensor("a", "F32", "[1e0]", "[0,4]"), "no 64-bit integer");
  refused(tensor("a", "F32", "[\"1\"]", "[0,4]"), "found a string");
  refused(tensor("a", "F32", "[true]", "[0,4]"), "found a boolean");
  refused(tensor("a", "F32", "[[1]]", "[0,4]"), "found an array");
  refused(tensor("a", "F32", "1", "[0,4]"), "expected an array");
  refused(tensor("a", "F32", "[9223372036854775808]", "[0,4]"), "too large");
  refused(tensor("a", "F32", "[99999999999999999999]", "[0,4]"), "no 64-bit integer");
  refused(tensor("a", "F32", "[1]", "[0]"), "not two entries");
  refused(tensor("a", "F32", "[1]", "[0,2,4]"), "not two entries");
  refused(tensor("a", "F32", "[1]", "[-0,4]"), "negative");
  refused(tensor("a", "F32", "[1]", "[]"), "not two entries");
  refused(tensor("a", "F32", "[1]", "[0,4.0]"), "no 64-bit integer");
  refused(tensor("a", "F32", "[1]", "[0,4]") + "," + tensor("a", "F32", "[0]", "[4,4]"),
          "duplicate key 'a'");
}

TEST(Safetensors, RefusesBadOffsets) {
  const auto refused = [](const std::string& entries, std::size_t data, const std::string& why) {
    expect_refused(file_of("{" + entries + "}", data), why);
  };
  refused(tensor("a", "F32", "[1]", "[4,0]"), 4, "not inside");
  refused(tensor("a", "F32", "[2]", "[0,8]"), 4, "not inside");
  refused(tensor("a", "U8", "[18446744073709551615]", "[0,18446744073709551615]"), 4, "too large");
  refused(tensor("a", "F32", "[2]", "[0,4]"), 4, "need 8 bytes");
  refused(tensor("a", "F32", "[1]", "[0,4]"), 5, "something behind");
  refused(tensor("a", "F32", "[1]", "[1,5]"), 5, "a hole");
  refused(tensor("a", "U8", "[2]", "[0,2]") + "," + tensor("b", "U8", "[1]", "[3,4]"), 4, "a hole");
  refused(tensor("a", "U8", "[2]", "[0,2]") + "," + tensor("b", "U8", "[3]", "[1,4]"), 4,
          "an overlap");
  refused(tensor("a", "U8", "[2]", "[0,2]") + "," + tensor("b", "U8", "[2]", "[0,2]"), 2,
          "an overlap");
  // 2^32 * 2^32 * 4 wraps to 0, 2^62 * 4 + ... to small numbers.
  refused(tensor("a", "F32", "[4294967296,4294967296]", "[0,0]"), 0, "64 bits");
  refused(tensor("a", "F32", "[4611686018427387905]", "[0,4]"), 4, "64 bits");
  refused("", 1, "something behind");
}

TEST(Safetensors, NamesInMessagesAreHarmless) {
  const std::string text = complaint(file_of(
      "{" + tensor("\\u001b[2J\\n" + std::string(500, 'x'), "F3", "[1]", "[0,4]") + "}", 4));
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_LT(text.size(), 300u);
}

TEST(Safetensors, AMissingFileIsTheUsersMistake) {
  EXPECT_THROW(SafetensorsFile("/nonexistent/x.safetensors"), InputError);
}

// Any mutation is refused, or gives tensors whose every byte can be read.
TEST(Safetensors, SurvivesMutations) {
  const TempDir dir;
  const std::vector<float> a(6, 1);
  const std::vector<std::uint8_t> b(3, 2);
  const std::vector<TensorView> tensors = {view("a", "F32", {2, 3}, a), view("b", "U8", {3}, b)};
  write_safetensors(dir / "good", tensors, {{"k", "v"}});
  const std::string good = read_file(dir / "good");
  std::mt19937 random(1337);
  constexpr std::string_view kTokens[] = {"[", "]", "{", "}", "\"", ",", ":", "0", "9", "-", "e9"};
  int refused = 0, taken = 0;
  for (int round = 0; round < 6000; ++round) {
    std::string bytes = good;
    for (std::uint32_t n = 1 + random() % 3; n > 0; --n) {
      const std::size_t at = random() % bytes.size();
      switch (random() % 4) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, 1 + random() % 4);
          break;
        case 2:
          bytes.insert(at, kTokens[random() % std::size(kTokens)]);
          break;
        default:
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
      }
    }
    fs::remove(dir / "mutant");  // overwriting in place is slow on some file systems
    const auto path = dir.write("mutant", bytes);
    try {
      const SafetensorsFile file(path);
      Crc32c crc;
      for (const TensorView& t : file.tensors()) crc.update(t.bytes);
      ++taken;
    } catch (const InputError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 1000);
  EXPECT_GT(taken, 100);  // a changed data byte or metadata character is no error of the format
}

}  // namespace
}  // namespace gpt
