#include <cstring>

#include <gtest/gtest.h>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/formats/zip_reader.h"
#include "gpt/formats/zip_writer.h"

#include "support/error_text.h"
#include "support/file_fault.h"
#include "support/python.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::TempDir;

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string two() {
  std::string text;
  for (int i = 0; i < 300; ++i) text += static_cast<char>(i % 251);
  return text;
}

void write_sample(const fs::path& path, std::uint64_t zip64_from = 0xFFFFFFFFu) {
  ZipWriter zip(path, zip64_from);
  zip.add("a/one", "hello");
  zip.add("a/empty", "");
  zip.add("a/two", two());
  const std::uint64_t size = zip.finish();
  EXPECT_EQ(size, fs::file_size(path));
}

void expect_sample(const fs::path& path) {
  const ZipReader zip(path);
  ASSERT_EQ(zip.entries().size(), 3u) << path;
  EXPECT_EQ(text_of(zip.read("a/one")), "hello") << path;
  EXPECT_EQ(text_of(zip.read("a/empty")), "") << path;
  EXPECT_EQ(text_of(zip.read("a/two")), two()) << path;
}

// Opens the file and reads everything in it.
std::string error_of(const fs::path& path) {
  return error_text([&] {
    const ZipReader zip(path);
    for (const ZipEntry& entry : zip.entries()) zip.read(entry.name);
  });
}

TEST(ZipReader, ReadsWhatPythonWrites) {
  const TempDir dir;
  const auto made = testing::run_python("python3", "tests/formats/zips.py", {"make", dir.path()});
  ASSERT_EQ(made.code, 0) << made.out;
  for (const char* name :
       {"plain.zip", "zip64.zip", "comment.zip", "streamed.zip", "streamed64.zip"})
    expect_sample(dir / name);
  EXPECT_NE(error_of(dir / "deflated.zip").find("'a/one' is compressed (method 8)"),
            std::string::npos);
}

TEST(ZipWriter, WritesWhatPythonReads) {
  const TempDir dir;
  // From 6 bytes on zip64: "a/two" by its size, "a/empty" by its offset alone.
  for (const std::uint64_t from : {0xFFFFFFFFull, 6ull, 0ull}) {
    write_sample(dir / "x.zip", from);
    expect_sample(dir / "x.zip");
    const auto read =
        testing::run_python("python3", "tests/formats/zips.py", {"check", dir / "x.zip"});
    EXPECT_EQ(read.code, 0) << read.out;
    const bool large = from <= 6;
    EXPECT_NE(read.out.find(large ? "a/two:45" : "a/two:20"), std::string::npos) << read.out;
  }
}

TEST(ZipWriter, AlignsEveryEntry) {
  const TempDir dir;
  write_sample(dir / "x.zip");
  const std::string bytes = read_file(dir / "x.zip");
  EXPECT_EQ(bytes.find("hello") % 64, 0u);
  EXPECT_EQ(bytes.find(two()) % 64, 0u);
}

TEST(ZipWriter, RefusesANameTwiceAndReportsAFullDisk) {
  const TempDir dir;
  ZipWriter zip(dir / "x.zip");
  zip.add("a", "1");
  EXPECT_NE(error_text([&] { zip.add("a", "2"); }).find("'a' is given twice"), std::string::npos);
  const testing::FileFaultGuard full([](std::string_view call, const fs::path&, std::size_t*) {
    return call == "write" ? ENOSPC : 0;
  });
  EXPECT_THROW(zip.add("b", "3"), IoError);
}

TEST(ZipReader, EveryTruncationIsAnError) {
  const TempDir dir;
  write_sample(dir / "x.zip");
  const std::string whole = read_file(dir / "x.zip");
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_NE(error_of(dir.write("y.zip", whole.substr(0, length))), "") << length;
}

// Whatever bit is flipped: an error, or contents that are still the right ones (padding, dates).
TEST(ZipReader, NoDamageGivesOtherContents) {
  const TempDir dir;
  write_sample(dir / "x.zip");
  const std::string whole = read_file(dir / "x.zip");
  int refused = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
    const fs::path path = dir.write("y.zip", damaged);
    const std::string error = error_of(path);
    if (error.empty())
      expect_sample(path);
    else
      ++refused;
  }
  EXPECT_GT(refused, 500);
}

class Edited {
 public:
  explicit Edited(const TempDir& dir) : dir_(dir) {
    write_sample(dir / "x.zip");
    bytes = read_file(dir / "x.zip");
  }
  template <class T>
  void put(std::size_t at, T value) {
    std::memcpy(bytes.data() + at, &value, sizeof value);
  }
  // The byte of the n-th record with this signature.
  std::size_t record(const char* signature, int n = 0) const {
    std::size_t at = bytes.find(signature);
    while (n-- > 0) at = bytes.find(signature, at + 1);
    return at;
  }
  std::string error() const { return error_of(dir_.write("y.zip", bytes)); }
  std::string bytes;

 private:
  const TempDir& dir_;
};

constexpr const char* kCentral = "PK\1\2";
constexpr const char* kLocal = "PK\3\4";
constexpr const char* kEnd = "PK\5\6";
constexpr const char* kEnd64 = "PK\6\6";

void rename_first(Edited& zip, const std::string& name) {
  zip.bytes.replace(zip.record(kCentral) + 46, 5, name);
  zip.bytes.replace(zip.record(kLocal) + 30, 5, name);
}

TEST(ZipReader, RefusesNamesThatClimbOut) {
  const TempDir dir;
  for (const std::string name : {"../ab", "/abcd", "a/../", "ab/..", "a\xffxyz"}) {
    Edited zip(dir);
    rename_first(zip, name);
    EXPECT_NE(zip.error().find("is not a plain relative path"), std::string::npos) << name;
  }
  Edited nul(dir);
  rename_first(nul, std::string("a\0bcd", 5));
  EXPECT_NE(nul.error().find("is not a plain relative path"), std::string::npos);
  // The name of a file may have these, and PyTorch writes it into the archive.
  for (const char* name : {"a\\b.c", "C:abc", "a\nbcd", "a b:c", "[v1]*"}) {
    Edited zip(dir);
    rename_first(zip, name);
    EXPECT_EQ(zip.error(), "") << name;
  }
  Edited twice(dir);
  rename_first(twice, "a/two");
  EXPECT_NE(twice.error().find("'a/two' comes twice"), std::string::npos) << twice.error();
  Edited differs(dir);
  differs.bytes.replace(differs.record(kLocal) + 30, 5, "a/0ne");
  EXPECT_NE(differs.error().find("header contradicts"), std::string::npos) << differs.error();
}

TEST(ZipReader, RefusesWhatItCannotTrust) {
  const TempDir dir;
  const auto expect = [&](const char* message, auto edit) {
    Edited zip(dir);
    edit(zip);
    EXPECT_NE(zip.error().find(message), std::string::npos) << message << ": " << zip.error();
  };
  expect("is encrypted", [](Edited& z) { z.put<std::uint16_t>(z.record(kCentral) + 8, 1); });
  expect("flags 0x20", [](Edited& z) { z.put<std::uint16_t>(z.record(kCentral) + 8, 0x20); });
  expect("two sizes differ", [](Edited& z) { z.put<std::uint32_t>(z.record(kCentral) + 20, 4); });
  // Two entries over the same bytes: how a small file claims to be a large one.
  expect("overlaps the one before", [](Edited& z) {
    z.put<std::uint32_t>(z.record(kCentral, 1) + 42, 0);
    z.bytes.replace(z.record(kCentral, 1) + 46, 7, "a/empty");
  });
  expect("beyond its end", [](Edited& z) {
    z.put<std::uint32_t>(z.record(kCentral) + 20, 1u << 30);
    z.put<std::uint32_t>(z.record(kCentral) + 24, 1u << 30);
  });
  expect("sizes in its header", [](Edited& z) { z.put<std::uint32_t>(z.record(kLocal) + 22, 4); });
  expect("checksum is wrong", [](Edited& z) { z.bytes[z.bytes.find("hello")] = 'j'; });
  expect("several parts", [](Edited& z) { z.put<std::uint16_t>(z.record(kEnd) + 4, 1); });
  expect("several parts", [](Edited& z) { z.put<std::uint32_t>(z.record(kEnd64) + 16, 1); });
  expect("contradicts the end record",
         [](Edited& z) { z.put<std::uint64_t>(z.record(kEnd64) + 48, 7); });
  expect("cannot hold 4294967296 entries", [](Edited& z) {
    z.put<std::uint64_t>(z.record(kEnd64) + 24, 1ull << 32);
    z.put<std::uint64_t>(z.record(kEnd64) + 32, 1ull << 32);
    z.put<std::uint16_t>(z.record(kEnd) + 8, 0xFFFF);
    z.put<std::uint16_t>(z.record(kEnd) + 10, 0xFFFF);
  });
  expect("no end-of-directory", [](Edited& z) { z.bytes += "more"; });
  expect("zip64 field is missing",
         [](Edited& z) { z.put<std::uint32_t>(z.record(kCentral) + 24, 0xFFFFFFFFu); });
  expect("expected a directory entry", [](Edited& z) { z.bytes[z.record(kCentral, 1)] = 'Q'; });
  expect("where its locator says", [](Edited& z) { z.bytes[z.record(kEnd64)] = 'Q'; });
}

TEST(ZipReader, AnEntryBehindTheDirectoryIsAnOverlap) {
  const TempDir dir;
  Edited zip(dir);
  // The last entry grows over the directory, in both of its headers.
  const std::size_t last = zip.record(kLocal, 2), central = zip.record(kCentral, 2);
  for (const std::size_t at : {last + 18, last + 22, central + 20, central + 24})
    zip.put<std::uint32_t>(at, 310);
  EXPECT_NE(zip.error().find("overlaps the directory"), std::string::npos) << zip.error();
}

TEST(ZipReader, NamesTheMissingEntry) {
  const TempDir dir;
  write_sample(dir / "x.zip");
  const ZipReader zip(dir / "x.zip");
  EXPECT_NE(error_text([&] { zip.read("a/three"); }).find("entry 'a/three' is missing"),
            std::string::npos);
}

}  // namespace
}  // namespace gpt
