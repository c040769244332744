#include "gpt/data/token_file.h"

#include "gpt/base/strings.h"

#include "support/error_text.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::TempDir;

std::string open_error(const fs::path& path, std::int64_t block_size, std::int64_t vocab_size) {
  return error_text<InputError>([&] { TokenFile(path, block_size, vocab_size); });
}

std::vector<std::int64_t> tokens_of(const TokenFile& file) {
  std::vector<std::int64_t> tokens(static_cast<std::size_t>(file.size()));
  file.copy(0, file.size(), tokens.data());
  return tokens;
}

TEST(TokenFile, MapsTokens) {
  const TempDir folder;
  const auto path = folder.write_tokens("train.bin", {1, 256, 65535, 0});
  const TokenFile file(path, 3, 65536);
  ASSERT_EQ(file.size(), 4);
  EXPECT_EQ(tokens_of(file), (std::vector<std::int64_t>{1, 256, 65535, 0}));
  EXPECT_EQ(file.path(), path);
}

TEST(TokenFile, TokensAreLittleEndian) {
  const TempDir folder;
  const TokenFile file(folder.write("train.bin", std::string("\x02\x01\x00\x00", 4)), 1, 50304);
  EXPECT_EQ(tokens_of(file)[0], 0x0102);
}

TEST(TokenFile, MissingFileAndFolder) {
  const TempDir folder;
  EXPECT_EQ(open_error(folder / "val.bin", 4, 65),
            (folder / "val.bin").string() +
                ": No such file or directory; make the dataset with gpttrain prepare, or correct "
                "dataset and "
                "data_dir");
  EXPECT_EQ(open_error(folder.path(), 4, 65),
            folder.path().string() + ": is a folder, expected a file of tokens");
  EXPECT_EQ(open_error("/dev/null", 4, 65),
            "/dev/null: is a special file, expected a file of tokens");
}

TEST(TokenFile, OddSize) {
  const TempDir folder;
  const auto path = folder.write("train.bin", "1234567");
  EXPECT_EQ(open_error(path, 2, 65536),
            path.string() +
                ": has 7 bytes, an odd number, but a token takes 2: the file is cut short or is no "
                "token file; make the dataset again with gpttrain prepare");
}

TEST(TokenFile, ShorterThanAWindow) {
  const TempDir folder;
  const auto path = folder.write_tokens("train.bin", {1, 2, 3, 4});
  EXPECT_EQ(TokenFile(path, 3, 65).size(), 4);
  EXPECT_EQ(open_error(path, 4, 65),
            path.string() +
                ": has 4 tokens, but block_size 4 needs at least 5; prepare more text or set "
                "block_size to 3 or less");
  const auto empty = folder.write("val.bin", "");
  EXPECT_EQ(
      open_error(empty, 4, 65),
      empty.string() + ": has 0 tokens, but block_size 4 needs at least 5; prepare more text");
}

TEST(TokenFile, TokenOutsideTheVocabulary) {
  const TempDir folder;
  const auto path = folder.write_tokens("train.bin", {1, 2, 64, 65, 70});
  EXPECT_EQ(TokenFile(path, 2, 71).size(), 5);
  EXPECT_EQ(open_error(path, 2, 65),
            path.string() +
                ": token 3 (byte 6) is 65, but vocab_size is 65; set vocab_size to the dataset's, "
                "or make the dataset again");
  const auto edge = folder.write_tokens("val.bin", {64, 64, 65});
  EXPECT_NE(open_error(edge, 2, 65).find("token 2 (byte 4) is 65"), std::string::npos);
}

TEST(TokenFile, ChecksTheEndsOfAHugeFileAtOpening) {
  constexpr std::int64_t kBytes = (std::int64_t{256} << 20) + 2, kEnd = std::int64_t{64} << 20;
  const TempDir folder;
  const auto path = folder.write("train.bin", "");
  fs::resize_file(path, kBytes);  // a hole: takes no disk
  const auto put = [&](std::int64_t byte, char value) {
    std::fstream(path, std::ios::binary | std::ios::in | std::ios::out).seekp(byte).put(value);
  };
  put(kEnd, 99);  // the first token that opening does not look at
  const TokenFile file(path, 1024, 65);
  EXPECT_EQ(file.size(), kBytes / 2);
  std::vector<std::int64_t> window(4);
  EXPECT_NE(error_text<InputError>([&] {
              file.copy(kEnd / 2 - 3, 4, window.data());
            }).find("token 33554432 (byte 67108864)"),
            std::string::npos);
  file.copy(kEnd / 2 - 3, 3, window.data());
  put(kBytes - kEnd, 98);
  EXPECT_NE(open_error(path, 1024, 65).find("is 98"), std::string::npos);
  put(kEnd - 2, 97);
  EXPECT_NE(open_error(path, 1024, 65).find("is 97"), std::string::npos);
}

// A shard as llm.c's write_datafile makes it: 256 int32, then the tokens.
std::string llmc_bytes(std::int32_t magic, std::int32_t version, std::int32_t count,
                       const std::string& tokens) {
  std::vector<std::int32_t> header(256, 0);
  header[0] = magic;
  header[1] = version;
  header[2] = count;
  return std::string(reinterpret_cast<const char*>(header.data()), 1024) + tokens;
}

TEST(TokenFile, ReadsShardsOfLlmC) {
  const TempDir folder;
  const auto path =
      folder.write("a.bin", llmc_bytes(20240520, 1, 3, std::string("\1\0\2\0\3\1", 6)));
  EXPECT_EQ(tokens_of(TokenFile(path, 2, 50257)), (std::vector<std::int64_t>{1, 2, 259}));
  const auto wide =
      folder.write("b.bin", llmc_bytes(20240801, 7, 2, std::string("\1\0\1\0\2\0\0\0", 8)));
  EXPECT_EQ(tokens_of(TokenFile(wide, 1, 128256)), (std::vector<std::int64_t>{65537, 2}));
  EXPECT_EQ(open_error(path, 2, 259),
            path.string() +
                ": token 2 (byte 1028) is 259, but vocab_size is 259; set vocab_size to the "
                "dataset's, or make the dataset again");
}

TEST(TokenFile, ShardsAreReadAsOneWithoutASeam) {
  const TempDir folder;
  std::vector<fs::path> shards;
  std::vector<std::int64_t> all;
  for (const int size : {5, 1, 0, 7, 2}) {
    std::string bytes;
    for (int i = 0; i < size; ++i) {
      all.push_back(static_cast<std::int64_t>(all.size()));
      bytes += {static_cast<char>(all.back()), '\0'};
    }
    const std::string name = std::to_string(shards.size()) + ".bin";
    shards.push_back(
        folder.write(name, shards.size() % 2 == 0 ? bytes : llmc_bytes(20240520, 1, size, bytes)));
  }
  const TokenFile file(shards, 14, 100);
  ASSERT_EQ(file.size(), 15);
  for (std::int64_t begin = 0; begin <= 15; ++begin) {
    for (std::int64_t count = 0; begin + count <= 15; ++count) {
      std::vector<std::int64_t> window(static_cast<std::size_t>(count));
      file.copy(begin, count, window.data());
      EXPECT_EQ(window,
                std::vector<std::int64_t>(all.begin() + begin, all.begin() + begin + count));
    }
  }
  std::int64_t token = 0;
  EXPECT_NE(error_text([&] { file.copy(15, 1, &token); }), "");
  EXPECT_NE(error_text([&] { file.copy(-1, 1, &token); }), "");
  EXPECT_EQ(error_text<InputError>([&] { TokenFile(shards, 15, 100); }),
            shards[0].string() +
                " and 4 more: have 15 tokens, but block_size 15 needs at least 16; prepare more "
                "text or set block_size to 14 or less");
}

TEST(TokenFile, DamagedShardsSayWhatIsWrong) {
  const TempDir folder;
  const std::string two("\1\0\2\0", 4);
  const auto error_with = [&](const std::string& bytes) {
    const auto path = folder.write("x.bin", bytes);
    const std::string text = open_error(path, 1, 50257);
    return text.substr(std::min(text.size(), path.string().size()));
  };
  const std::string start = ": begins as a token file of llm.c (20240520)";
  EXPECT_EQ(
      error_with(llmc_bytes(20240520, 1, 2, two).substr(0, 1000)),
      start +
          " but has 1000 bytes, less than its header of 1024; the file is cut short, fetch or "
          "make it again");
  EXPECT_EQ(
      error_with(llmc_bytes(20240520, 2, 2, two)),
      start + " of version 2; expected version 1; make it with a newer dev/data script of llm.c");
  for (const std::int32_t count : {1, 3, -1, 0x7FFFFFFF})
    EXPECT_EQ(error_with(llmc_bytes(20240520, 1, count, two)).find(concat(start, " of ", count)),
              0u)
        << count;
  EXPECT_EQ(error_with(llmc_bytes(20240520, 1, 2, two).substr(0, 1027)),
            start +
                " of 2 tokens, which makes 1028 bytes, but has 1027; the file is cut short, fetch "
                "or make it again");
}

TEST(TokenFile, FourByteTokens) {
  const TempDir folder;
  const auto path = folder.write("train.bin", std::string("\0\0\1\0\xff\xff\0\0\1\2\3\4", 12));
  EXPECT_EQ(tokens_of(TokenFile(path, 2, 1 << 30, TokenWidth::k32)),
            (std::vector<std::int64_t>{65536, 65535, 0x04030201}));
  fs::resize_file(path, 10);
  EXPECT_NE(error_text<InputError>([&] {
              TokenFile(path, 1, 1 << 30, TokenWidth::k32);
            }).find("has 10 bytes, no multiple of 4, but a token takes 4"),
            std::string::npos);
}

}  // namespace
}  // namespace gpt
