#include "gpt/corpus/source_text.h"

#include "support/temp_folder.h"

namespace gpt {
namespace {

namespace fs = std::filesystem;

SourceText text_of(const std::vector<fs::path>& files) {
  return SourceText(find_source_files(files, "no such folder"));
}

std::u32string read_all(SourceText& text) {
  std::u32string all;
  text.read("reading", [&](std::u32string_view piece, const fs::path&) { all += piece; });
  return all;
}

std::string changed(const fs::path& file) {
  return file.string() + ": changed while it was prepared; nothing was written, start again";
}

TEST(SourceText, JoinsFilesEachDecodedByItself) {
  const TempFolder folder;
  SourceText text = text_of({folder.write("a", "x\r"), folder.write("b", "\ny\xE2\x82"),
                             folder.write("c", "\xAC"), folder.write("d", "")});
  EXPECT_EQ(read_all(text), U"x\n\ny\uFFFD\uFFFD");
  EXPECT_EQ(text.invalid_utf8(), 2);
  EXPECT_EQ(read_all(text), U"x\n\ny\uFFFD\uFFFD");
  EXPECT_EQ(text.invalid_utf8(), 2);
}

TEST(SourceText, ChunksDoNotShow) {
  std::string bytes = "x";  // the three-byte characters after it straddle every chunk's end
  std::u32string expected = U"x";
  while (bytes.size() < (std::size_t{3} << 20)) {
    bytes += "\u20ac\r\n";
    expected += U"\u20ac\n";
  }
  const TempFolder folder;
  SourceText text = text_of({folder.write("a", bytes)});
  std::size_t largest = 0;
  std::u32string all;
  text.read("reading", [&](std::u32string_view piece, const fs::path& file) {
    EXPECT_EQ(file, folder / "a");
    largest = std::max(largest, piece.size());
    all += piece;
  });
  EXPECT_TRUE(all == expected);
  EXPECT_LE(largest, std::size_t{1} << 20);
}

TEST(SourceText, AFileThatChangesBetweenReadsIsAnError) {
  const TempFolder folder;
  for (const char* now : {"ac", "a", "abb", ""}) {  // another byte, shorter, longer, emptied
    const auto same = folder.write("same", "s");
    const auto path = folder.write("file", "ab");
    SourceText text = text_of({same, path});
    read_all(text);
    folder.write("file", now);
    EXPECT_EQ(error_of<Error>([&] { read_all(text); }), changed(path));
  }
}

TEST(SourceText, AFileThatGrowsIsReadNoFurther) {
  const TempFolder folder;
  const auto path = folder.write("log", "ab");
  SourceText text = text_of({path});
  read_all(text);
  folder.write("log", std::string(std::size_t{3} << 20, 'a'));
  std::size_t passed_on = 0;
  EXPECT_EQ(error_of<Error>([&] {
              text.read("encoding", [&](std::u32string_view piece, const fs::path&) {
                passed_on += piece.size();
              });
            }),
            changed(path));
  EXPECT_EQ(passed_on, 0u);
}

TEST(SourceText, AFileThatGoesIsAnError) {
  const TempFolder folder;
  const auto path = folder.write("file", "ab");
  SourceText text = text_of({path});
  fs::remove(path);
  EXPECT_EQ(error_of([&] { read_all(text); }),
            path.string() + ": cannot open: No such file or directory");
}

}  // namespace
}  // namespace gpt
