#include "gpt/data/token_file.h"

#include "support/temp_folder.h"

namespace gpt {
namespace {

std::string open_error(const fs::path& path, std::int64_t block_size, std::int64_t vocab_size) {
  return error_of([&] { TokenFile(path, block_size, vocab_size); });
}

TEST(TokenFile, MapsTokens) {
  const TempFolder folder;
  const auto path = folder.write_tokens("train.bin", {1, 256, 65535, 0});
  const TokenFile file(path, 3, 65536);
  ASSERT_EQ(file.size(), 4);
  EXPECT_EQ(file.data()[1], 256);
  EXPECT_EQ(file.data()[2], 65535);
  EXPECT_EQ(file.path(), path);
}

TEST(TokenFile, TokensAreLittleEndian) {
  const TempFolder folder;
  const TokenFile file(folder.write("train.bin", std::string("\x02\x01\x00\x00", 4)), 1, 50304);
  EXPECT_EQ(file.data()[0], 0x0102);
}

TEST(TokenFile, MissingFileAndFolder) {
  const TempFolder folder;
  EXPECT_EQ(open_error(folder / "val.bin", 4, 65),
            (folder / "val.bin").string() +
                ": No such file or directory; make the dataset with gpttrain prepare, or correct "
                "dataset and "
                "data_dir");
  EXPECT_EQ(open_error(folder.path(), 4, 65),
            folder.path().string() + ": is a folder, expected a file of 16-bit tokens");
  EXPECT_EQ(open_error("/dev/null", 4, 65),
            "/dev/null: is a special file, expected a file of 16-bit tokens");
}

TEST(TokenFile, OddSize) {
  const TempFolder folder;
  const auto path = folder.write("train.bin", "1234567");
  EXPECT_EQ(open_error(path, 2, 65536),
            path.string() +
                ": has 7 bytes, an odd number, but a token takes 2: the file is cut short or is no "
                "token file; make the dataset again with gpttrain prepare");
}

TEST(TokenFile, ShorterThanAWindow) {
  const TempFolder folder;
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
  const TempFolder folder;
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
  const TempFolder folder;
  const auto path = folder.write("train.bin", "");
  fs::resize_file(path, kBytes);  // a hole: takes no disk
  const auto put = [&](std::int64_t byte, char value) {
    std::fstream(path, std::ios::binary | std::ios::in | std::ios::out).seekp(byte).put(value);
  };
  put(kEnd, 99);  // the first token that opening does not look at
  const TokenFile file(path, 1024, 65);
  EXPECT_EQ(file.size(), kBytes / 2);
  EXPECT_NE(error_of([&] { file.check(kEnd / 2 - 3, 4); }).find("token 33554432 (byte 67108864)"),
            std::string::npos);
  file.check(kEnd / 2 - 3, 3);
  put(kBytes - kEnd, 98);
  EXPECT_NE(open_error(path, 1024, 65).find("is 98"), std::string::npos);
  put(kEnd - 2, 97);
  EXPECT_NE(open_error(path, 1024, 65).find("is 97"), std::string::npos);
}

}  // namespace
}  // namespace gpt
