#include "gpt/corpus/source_files.h"

#include <sys/stat.h>

#include "support/temp_folder.h"

namespace gpt {
namespace {

namespace fs = std::filesystem;

TEST(SourceFiles, KeepsTheOrderOfTheInputsAndSortsFolders) {
  const TempFolder folder;
  folder.write("in/b.txt", "bb");
  folder.write("in/a/z.txt", "z");
  folder.write("in/a.txt", "aaa");
  folder.write("in/B.txt", "b");
  const auto last = folder.write("0.txt", "0");
  const SourceFiles found = find_source_files({folder / "in", last}, folder / "out");
  const fs::path in = folder / "in";
  EXPECT_EQ(found.files, (std::vector<fs::path>{in / "B.txt", in / "a" / "z.txt", in / "a.txt",
                                                in / "b.txt", last}));
  EXPECT_EQ(found.bytes, (std::vector<std::uint64_t>{1, 1, 3, 2, 1}));
  EXPECT_EQ(found.total_bytes(), 8u);
}

TEST(SourceFiles, SkipsEmptyAndBinaryFilesOfFoldersOnly) {
  const TempFolder folder;
  folder.write("in/empty", "");
  folder.write("in/binary", std::string(8191, 'x') + '\0');
  folder.write("in/late", std::string(8192, 'x') + '\0');
  folder.write("in/text", "t");
  const SourceFiles found = find_source_files({folder / "in"}, folder / "out");
  EXPECT_EQ(found.files, (std::vector<fs::path>{folder / "in/late", folder / "in/text"}));
  EXPECT_EQ(found.skipped_empty, 1);
  EXPECT_EQ(found.skipped_binary, 1);
  const SourceFiles named =
      find_source_files({folder / "in/empty", folder / "in/binary"}, folder / "out");
  EXPECT_EQ(named.files.size(), 2u);
  EXPECT_EQ(named.skipped_empty + named.skipped_binary, 0);
}

TEST(SourceFiles, LinksCannotTrap) {
  const TempFolder folder;
  folder.write("in/a/text", "t");
  folder.write("elsewhere/file", "f");
  fs::create_directory_symlink("..", folder / "in/a/up");
  fs::create_directory_symlink(folder / "elsewhere", folder / "in/other");
  fs::create_symlink("self", folder / "in/self");
  fs::create_symlink("nowhere", folder / "in/dangling");
  fs::create_symlink(folder / "elsewhere/file", folder / "in/linked");
  const SourceFiles found = find_source_files({folder / "in"}, folder / "out");
  EXPECT_EQ(found.files, (std::vector<fs::path>{folder / "in/a/text", folder / "in/linked"}));
}

TEST(SourceFiles, LeavesOutTheDatasetItself) {
  const TempFolder folder;
  for (const char* name : {"train.bin", "val.bin", "meta.json", "train.bin.tmp", ".prepare.lock"}) {
    folder.write(name, "x");
    folder.write(std::string("sub/") + name, "x");
  }
  folder.write("input.txt", "x");
  const SourceFiles found = find_source_files({folder.path()}, folder / "sub" / "..");
  ASSERT_EQ(found.files.size(), 6u);
  EXPECT_EQ(found.files[0], folder / "input.txt");
  EXPECT_EQ(found.files[1].parent_path(), folder / "sub");
}

TEST(SourceFiles, NamesWhatIsMissingOrCannotBeRead) {
  const TempFolder folder;
  const std::string start = folder.path().string();
  EXPECT_EQ(error_of([&] { find_source_files({folder / "no.txt"}, "out"); }),
            start +
                "/no.txt: No such file or directory; expected a text file or a folder of text "
                "files");
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(error_of([&] { find_source_files({folder / "pipe"}, "out"); }),
            start +
                "/pipe: expected a regular file or a folder: the text is read twice, which a "
                "pipe or a device does not allow; save it to a file first");
  folder.write("a", "x");
  EXPECT_EQ(find_source_files({folder.path()}, "out").files.size(), 1u);  // the pipe is passed over
}

TEST(SourceFiles, NamesAFolderThatCannotBeListed) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may list any folder";
  const TempFolder folder;
  fs::create_directory(folder / "closed");
  fs::permissions(folder / "closed", fs::perms::none);
  EXPECT_EQ(error_of([&] { find_source_files({folder.path()}, "out"); }),
            folder.path().string() + ": cannot list the folder: Permission denied");
}

}  // namespace
}  // namespace gpt
