#include "gpt/dataprep/source_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include "gpt/dataprep/input_stream.h"

#include "support/error_text.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::TempDir;

namespace fs = std::filesystem;

std::vector<fs::path> paths(const SourceFiles& found) {
  std::vector<fs::path> list;
  for (const SourceFile& file : found.files) list.push_back(file.path);
  return list;
}

TEST(SourceFiles, KeepsTheOrderOfTheInputsAndSortsFolders) {
  const TempDir folder;
  folder.write("in/b.txt", "bb");
  folder.write("in/a/z.txt", "z");
  folder.write("in/a.txt", "aaa");
  folder.write("in/B.txt", "b");
  const auto last = folder.write("0.txt", "0");
  const SourceFiles found = find_source_files({folder / "in", last}, folder / "out");
  const fs::path in = folder / "in";
  EXPECT_EQ(paths(found), (std::vector<fs::path>{in / "B.txt", in / "a" / "z.txt", in / "a.txt",
                                                 in / "b.txt", last}));
  EXPECT_EQ(found.total_bytes(), 8u);
}

TEST(SourceFiles, SkipsEmptyAndBinaryFilesOfFoldersOnly) {
  const TempDir folder;
  folder.write("in/empty", "");
  folder.write("in/binary", std::string(8191, 'x') + '\0');
  folder.write("in/late", std::string(8192, 'x') + '\0');
  folder.write("in/text", "t");
  const SourceFiles found = find_source_files({folder / "in"}, folder / "out");
  EXPECT_EQ(paths(found), (std::vector<fs::path>{folder / "in/late", folder / "in/text"}));
  EXPECT_EQ(found.skipped_empty, 1);
  EXPECT_EQ(found.skipped_binary, 1);
  const SourceFiles named =
      find_source_files({folder / "in/empty", folder / "in/binary"}, folder / "out");
  EXPECT_EQ(named.files.size(), 2u);
  EXPECT_EQ(named.skipped_empty + named.skipped_binary, 0);
}

TEST(SourceFiles, LinksCannotTrap) {
  const TempDir folder;
  folder.write("in/a/text", "t");
  folder.write("elsewhere/file", "f");
  fs::create_directory_symlink("..", folder / "in/a/up");
  fs::create_directory_symlink(folder / "elsewhere", folder / "in/other");
  fs::create_symlink("self", folder / "in/self");
  fs::create_symlink("nowhere", folder / "in/dangling");
  fs::create_symlink(folder / "elsewhere/file", folder / "in/linked");
  const SourceFiles found = find_source_files({folder / "in"}, folder / "out");
  EXPECT_EQ(paths(found), (std::vector<fs::path>{folder / "in/a/text", folder / "in/linked"}));
}

TEST(SourceFiles, LeavesOutTheDatasetItself) {
  const TempDir folder;
  for (const std::string name :
       {"train.bin", "val.bin", "meta.json", "train.bin.tmp", ".prepare.lock", ".prepare.state",
        ".prepare.state.tmp-0123abcd-1-2-3"}) {
    folder.write(name, "x");
    folder.write("sub/" + name, "x");
  }
  folder.write("input.txt", "x");
  const SourceFiles found = find_source_files({folder.path()}, folder / "sub" / "..");
  ASSERT_EQ(found.files.size(), 8u);
  EXPECT_EQ(found.files[0].path, folder / "input.txt");
  EXPECT_EQ(found.files[1].path.parent_path(), folder / "sub");
}

TEST(SourceFiles, WhatIsOnlyNamedAlikeIsText) {
  const TempDir folder;
  for (const char* name : {"train.bin.tmp-notes", ".prepare.state.md", "meta.json.tmp.txt"})
    folder.write(name, "x");
  EXPECT_EQ(find_source_files({folder.path()}, folder.path()).files.size(), 3u);
}

TEST(SourceFiles, NamesWhatIsMissingOrCannotBeRead) {
  const TempDir folder;
  const std::string start = folder.path().string();
  EXPECT_EQ(error_text<InputError>([&] { find_source_files({folder / "no.txt"}, "out"); }),
            start +
                "/no.txt: No such file or directory; expected a text file or a folder of text "
                "files");
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(error_text<InputError>([&] { find_source_files({folder / "pipe"}, "out"); }),
            start +
                "/pipe: expected a regular file or a folder; give a pipe or a device to standard "
                "input, and "
                "- as its name");
  folder.write("a", "x");
  EXPECT_EQ(find_source_files({folder.path()}, "out").files.size(), 1u);  // the pipe is passed over
}

// As a shell's `<(command)`.
TEST(SourceFiles, AStreamThatTheCallerOpenedIsReadLikeStandardInput) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_EQ(::write(ends[1], "text", 4), 4);
  ::close(ends[1]);
  const fs::path name = "/dev/fd/" + std::to_string(ends[0]);
  const SourceFiles found = find_source_files({name}, "out");
  ASSERT_EQ(found.files.size(), 1u);
  EXPECT_EQ(found.files[0].packing, Packing::kStdin);
  EXPECT_EQ(found.files[0].name(), name.string());
  InputStream stream(found.files[0], "text");
  char bytes[9];
  EXPECT_EQ(stream.read(bytes, sizeof bytes, {}), 4u);
  EXPECT_EQ(stream.read(bytes, sizeof bytes, {}), 0u);
  ::close(ends[0]);
}

TEST(SourceFiles, NamesAFolderThatCannotBeListed) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may list any folder";
  const TempDir folder;
  fs::create_directory(folder / "closed");
  fs::permissions(folder / "closed", fs::perms::none);
  EXPECT_EQ(error_text<InputError>([&] { find_source_files({folder.path()}, "out"); }),
            folder.path().string() + ": cannot list the folder: Permission denied");
}

TEST(SourceFiles, NamesTellHowAFileIsRead) {
  const TempDir folder;
  const auto kind = [&](const std::string& name, const std::string& document) {
    const auto found =
        find_source_files({folder.write(name, "x")}, "out", {.document = document}).files.at(0);
    return std::pair(found.packing, found.layout);
  };
  using enum Packing;
  using enum Layout;
  EXPECT_EQ(kind("a.txt", "auto"), std::pair(kNone, kWhole));
  EXPECT_EQ(kind("a.txt.gz", "auto"), std::pair(kGzip, kWhole));
  EXPECT_EQ(kind("a.jsonl", "auto"), std::pair(kNone, kJson));
  EXPECT_EQ(kind("a.jsonl.zst", "auto"), std::pair(kZstd, kJson));
  EXPECT_EQ(kind("a.ndjson.gz", "auto"), std::pair(kGzip, kJson));
  EXPECT_EQ(kind("a.parquet", "auto"), std::pair(kParquet, kJson));
  EXPECT_EQ(kind("a.parquet", "file"), std::pair(kParquet, kJson));
  EXPECT_EQ(kind("a.jsonl", "file"), std::pair(kNone, kWhole));
  EXPECT_EQ(kind("a.json.gz", "jsonl"), std::pair(kGzip, kJson));
  EXPECT_EQ(kind("a.txt.zst", "line"), std::pair(kZstd, kLines));
  const auto standard = find_source_files({"-"}, "out").files.at(0);
  EXPECT_EQ(standard.packing, kStdin);
  EXPECT_EQ(standard.name(), "standard input");
}

TEST(SourceFiles, PatternsAreExpanded) {
  const TempDir folder;
  for (const char* name : {"in/2.txt", "in/1.txt", "in/3.md"}) folder.write(name, "x");
  folder.write("what?", "x");
  EXPECT_EQ(paths(find_source_files({folder / "in/*.txt", folder / "what?"}, "out")),
            (std::vector<fs::path>{folder / "in/1.txt", folder / "in/2.txt", folder / "what?"}));
  EXPECT_EQ(error_text<InputError>([&] { find_source_files({folder / "*.no"}, "out"); }),
            (folder / "*.no").string() + ": no file matches this pattern");
}

TEST(SourceFiles, PackedFilesInFoldersAreNotTakenForBinary) {
  const TempDir folder;
  folder.write("in/a.txt.gz", std::string("\x1f\x8b\0\0", 4));
  folder.write("in/b.bin", std::string("\x1f\x8b\0\0", 4));
  EXPECT_EQ(paths(find_source_files({folder / "in"}, "out")),
            std::vector<fs::path>{folder / "in/a.txt.gz"});
}

}  // namespace
}  // namespace gpt
