#include "gpt/dataprep/prepare.h"

#include <set>

#include "gpt/base/checksum.h"
#include "gpt/base/files.h"
#include "gpt/base/strings.h"
#include "gpt/text/char_tokenizer.h"
#include "gpt/text/utf8.h"

#include "support/error_text.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::names_in;
using testing::TempDir;

struct FaultGuard {
  explicit FaultGuard(FileFault fault) { set_file_fault(std::move(fault)); }
  ~FaultGuard() { set_file_fault({}); }
};

std::string little_endian(const std::vector<std::uint16_t>& tokens) {
  std::string bytes;
  for (const std::uint16_t token : tokens) {
    bytes.push_back(static_cast<char>(token & 0xFF));
    bytes.push_back(static_cast<char>(token >> 8));
  }
  return bytes;
}

std::string hex_crc(const std::string& bytes) {
  return hex32(crc32c(std::as_bytes(std::span(bytes))));
}

// nanoGPT's data/shakespeare_char/prepare.py in so many words: the whole text in memory, a set, a
// search in the sorted list, and int(n * 0.9).
struct Naive {
  explicit Naive(const std::u32string& text) {
    const std::set<char32_t> distinct(text.begin(), text.end());
    chars.assign(distinct.begin(), distinct.end());
    std::vector<std::uint16_t> ids;
    for (const char32_t c : text) ids.push_back(static_cast<std::uint16_t>(chars.find(c)));
    const auto split = static_cast<long>(static_cast<double>(text.size()) * 0.9);
    train = little_endian({ids.begin(), ids.begin() + split});
    val = little_endian({ids.begin() + split, ids.end()});
  }
  std::u32string chars;
  std::string train, val;
};

void expect_dataset(const fs::path& folder, const Naive& naive) {
  EXPECT_TRUE(read_file(folder / "train.bin") == naive.train);
  EXPECT_TRUE(read_file(folder / "val.bin") == naive.val);
  const auto meta = read_dataset_meta(folder);
  ASSERT_TRUE(meta.has_value());
  EXPECT_TRUE(meta->itos == naive.chars);
  EXPECT_EQ(meta->train_tokens, static_cast<std::int64_t>(naive.train.size() / 2));
  EXPECT_EQ(meta->val_tokens, static_cast<std::int64_t>(naive.val.size() / 2));
  EXPECT_EQ(meta->characters, meta->train_tokens + meta->val_tokens);
  EXPECT_EQ(meta->train_crc32c, hex_crc(naive.train));
  EXPECT_EQ(meta->val_crc32c, hex_crc(naive.val));
}

const std::string kText = "The quick brown fox jumps over the lazy dog.\n";

TEST(Prepare, ReproducesNanoGptsShakespeareChar) {
  const fs::path input = GPT_SOURCE_DIR "/../shared/data/tinyshakespeare.txt";
  if (!fs::exists(input)) GTEST_SKIP() << "the outside data folder has no tinyshakespeare.txt";
  const TempDir folder;
  const PrepareResult result = *prepare({.inputs = {input}, .out_dir = folder / "out"});
  EXPECT_EQ(result.meta.vocab_size, 65);
  EXPECT_EQ(result.meta.train_tokens, 1003854);
  EXPECT_EQ(result.meta.val_tokens, 111540);
  EXPECT_EQ(result.meta.sources, std::vector<std::string>{"tinyshakespeare.txt"});
  expect_dataset(folder / "out", Naive(from_utf8(read_file(input))));
}

TEST(Prepare, MultilingualFilesAndFoldersInOrder) {
  const TempDir folder;
  folder.write("in/2.txt", "Gr\u00fc\u00df Gott\r\nund \u4f60\u597d\uff0c\u4e16\u754c\r");
  folder.write("in/1/x.txt", "\u0395\u03bb\u03bb\u03b7\u03bd\u03b9\u03ba\u03ac \U0001F600\n");
  folder.write("in/empty.txt", "");
  folder.write("in/binary.bin", std::string("a\0b", 3));
  const auto last = folder.write("last.txt", "\u0440\u0443\u0441\u0441\u043a\u0438\u0439 \xFF end");
  const PrepareResult result =
      *prepare({.inputs = {folder.path() / "in" / "", last}, .out_dir = folder / "a/b/out"});
  const Naive naive(
      U"\u0395\u03bb\u03bb\u03b7\u03bd\u03b9\u03ba\u03ac \U0001F600\n"
      U"Gr\u00fc\u00df Gott\nund \u4f60\u597d\uff0c\u4e16\u754c\n"
      U"\u0440\u0443\u0441\u0441\u043a\u0438\u0439 \uFFFD end");
  expect_dataset(folder / "a/b/out", naive);
  EXPECT_EQ(result.files, 3);
  EXPECT_EQ(result.left_out.text(), "1 empty ('empty.txt'), 1 binary ('binary.bin')");
  EXPECT_EQ(result.first_invalid, last.string() + ":1 (byte 0xFF)");
  EXPECT_EQ(result.meta.invalid_utf8, 1);
  EXPECT_EQ(result.meta.sources, (std::vector<std::string>{"in", "last.txt"}));
  EXPECT_EQ(names_in(folder / "a/b/out"),
            (std::set<std::string>{"train.bin", "val.bin", "meta.json", ".prepare.lock"}));
}

TEST(Prepare, SplitsWithinAndBetweenChunks) {
  const TempDir folder;
  std::string text;
  while (text.size() < 2500000) text += kText + std::to_string(text.size() % 1009);
  const Naive naive(from_utf8(text));
  prepare({.inputs = {folder.write("whole.txt", text)}, .out_dir = folder / "whole"});
  expect_dataset(folder / "whole", naive);
  const std::size_t cut = naive.train.size() / 2;  // characters, here bytes
  prepare({.inputs = {folder.write("1.txt", text.substr(0, cut)),
                      folder.write("2.txt", text.substr(cut))},
           .out_dir = folder / "parts"});
  expect_dataset(folder / "parts", naive);
}

TEST(Prepare, TokensDecodeToTheText) {
  const TempDir folder;
  prepare(
      {.inputs = {folder.write("in.txt", kText)}, .out_dir = folder / "out", .val_fraction = 0.5});
  const auto meta = read_dataset_meta(folder / "out");
  std::vector<std::int64_t> tokens;
  const std::string train = read_file(folder / "out/train.bin");
  for (std::size_t i = 0; i < train.size(); i += 2)
    tokens.push_back(static_cast<unsigned char>(train[i]) +
                     256 * static_cast<unsigned char>(train[i + 1]));
  EXPECT_EQ(CharTokenizer(meta->itos).decode(tokens), kText.substr(0, 22));
}

TEST(Prepare, SixteenBitsAreEnoughFor65536CharactersOnly) {
  std::u32string text;
  for (char32_t code = 0x10000; code < 0x20000; ++code) text.push_back(code);
  const TempDir folder;
  prepare({.inputs = {folder.write("in.txt", to_utf8(text))}, .out_dir = folder / "out"});
  expect_dataset(folder / "out", Naive(text));
  const auto input = folder.write("more.txt", to_utf8(text) + "a");
  EXPECT_EQ(
      error_text<InputError>([&] { prepare({.inputs = {input}, .out_dir = folder / "more"}); }),
      input.string() +
          ": the text has more than 65536 distinct characters, too many for 16-bit tokens; "
          "leave this file out");
  EXPECT_FALSE(fs::exists(folder / "more"));
}

TEST(Prepare, TextTooShort) {
  const TempDir folder;
  prepare({.inputs = {folder.write("20.txt", std::string(20, 'x'))}, .out_dir = folder / "20"});
  const auto input = folder.write("19.txt", std::string(10, 'x') + "234567890");
  EXPECT_EQ(prepare({.inputs = {input}, .out_dir = folder / "half", .val_fraction = 0.5})
                ->meta.val_tokens,
            10);
  const auto shorter = folder.write("10.txt", "1234567890");
  EXPECT_EQ(
      error_text<InputError>([&] { prepare({.inputs = {shorter}, .out_dir = folder / "out"}); }),
      shorter.string() +
          ": the text is too short: of its 10 characters 9 are for training and 1 for "
          "validation, and each needs at least 2; give more text or another val_fraction (0: no "
          "validation)");
  const auto empty = folder.write("empty/file", "").parent_path();
  EXPECT_EQ(
      error_text<InputError>([&] { prepare({.inputs = {empty}, .out_dir = folder / "out"}); }),
      empty.string() +
          ": no text to prepare (left out: 1 empty ('file')); name text files or folders of them");
  EXPECT_EQ(error_text<InputError>([&] {
              prepare({.inputs = {empty / "file"}, .out_dir = folder / "out"});
            }).find(empty.string() + "/file: the text is too short: of its 0 characters"),
            0u);
  EXPECT_FALSE(fs::exists(folder / "out"));
}

TEST(Prepare, ValFractionOutOfRange) {
  for (const double fraction : {1.0, -0.5, 1.5}) {
    EXPECT_EQ(error_text<InputError>(
                  [&] { prepare({.inputs = {"x"}, .out_dir = "y", .val_fraction = fraction}); }),
              concat("val_fraction: expected a number from 0 to less than 1, found ", fraction));
  }
}

TEST(Prepare, MissingInputIsNamed) {
  const TempDir folder;
  EXPECT_EQ(error_text<InputError>([&] {
              prepare({.inputs = {folder / "no"}, .out_dir = folder / "out"});
            }).find((folder / "no").string() + ": No such file"),
            0u);
  EXPECT_EQ(error_text<InputError>([&] {
              prepare({.out_dir = folder / "out"});
            }).find("prepare: no text"),
            0u);
}

TEST(Prepare, KeepsAnOldDatasetUnlessForced) {
  const TempDir folder;
  const auto first = folder.write("1.txt", kText), second = folder.write("2.txt", kText + kText);
  const fs::path out = folder / "out";
  prepare({.inputs = {first}, .out_dir = out});
  EXPECT_EQ(error_text<InputError>([&] { prepare({.inputs = {second}, .out_dir = out}); }),
            out.string() +
                ": already holds a dataset (meta.json); choose another --out, or replace "
                "it with --force");
  expect_dataset(out, Naive(from_utf8(kText)));
  prepare({.inputs = {second}, .out_dir = out, .force = true});
  expect_dataset(out, Naive(from_utf8(kText + kText)));
  EXPECT_EQ(error_text<InputError>([&] { prepare({.inputs = {second}, .out_dir = first}); }),
            first.string() + ": expected a folder to write to, found a file");
}

TEST(Prepare, ReadsAFolderThatItWritesTo) {
  const TempDir folder;
  folder.write("input.txt", kText);
  for (int run = 0; run < 2; ++run) {
    prepare({.inputs = {folder.path()}, .out_dir = folder.path(), .force = run > 0});
    expect_dataset(folder.path(), Naive(from_utf8(kText)));
  }
}

// The place where the hook changes the file is between the readings.
TEST(Prepare, AnInputThatChangesBetweenTheReadingsIsAnError) {
  const TempDir folder;
  const std::string other(kText.rbegin(), kText.rend());
  for (const std::string& now : {kText + "and more", other, kText.substr(1), kText + "\u20ac"}) {
    const auto input = folder.write("in.txt", kText);
    const FaultGuard guard([&](std::string_view call, const fs::path& path, std::size_t*) {
      if (call == "open" && path.filename() == "train.bin.tmp") folder.write("in.txt", now);
      return 0;
    });
    EXPECT_EQ(error_text([&] { prepare({.inputs = {input}, .out_dir = folder / "out"}); }),
              input.string() + ": changed while it was prepared; nothing was written, start again");
    EXPECT_EQ(names_in(folder / "out"), std::set<std::string>{".prepare.lock"});
  }
}

// Whatever was written before is kept, and the same request finishes it.
TEST(Prepare, AFullDiskIsNamedAndLosesNothing) {
  const TempDir folder;
  const auto input = folder.write("in.txt", kText);
  for (const std::string name : {"train.bin", "val.bin"}) {
    const fs::path out = folder / name.substr(0, 3);
    {
      const FaultGuard guard([&](std::string_view call, const fs::path& path, std::size_t*) {
        return call == "write" && path.filename() == name + ".tmp" ? ENOSPC : 0;
      });
      const std::string text =
          error_text<IoError>([&] { prepare({.inputs = {input}, .out_dir = out}); });
      EXPECT_NE(text.find((out / name).string() + ".tmp: "), std::string::npos) << text;
      EXPECT_NE(text.find("No space left on device"), std::string::npos) << text;
    }
    EXPECT_FALSE(fs::exists(out / "train.bin"));
    EXPECT_EQ(names_in(out).contains(".prepare.state"), name == "val.bin");
    if (name == "train.bin") {
      EXPECT_EQ(names_in(out), std::set<std::string>{".prepare.lock"});
    }
    prepare({.inputs = {input}, .out_dir = out});
    expect_dataset(out, Naive(from_utf8(kText)));
  }
}

}  // namespace
}  // namespace gpt
