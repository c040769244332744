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

TEST(SourceFiles, FoldersLeaveOutWhatIsNoTextAndNameIt) {
  const TempDir folder;
  folder.write("in/empty", "");
  folder.write("in/binary", std::string(8191, 'x') + '\0');
  folder.write("in/late", std::string(8192, 'x') + '\0');
  folder.write("in/text", "t");
  const SourceFiles found = find_source_files({folder / "in"}, folder / "out");
  EXPECT_EQ(paths(found), (std::vector<fs::path>{folder / "in/late", folder / "in/text"}));
  EXPECT_EQ(found.left_out.text(), "1 empty ('empty'), 1 binary ('binary')");
  EXPECT_EQ(find_source_files({folder / "in/empty"}, folder / "out").files.size(), 1u);
  EXPECT_EQ(error_text<InputError>([&] { find_source_files({folder / "in/binary"}, "out"); }),
            (folder / "in/binary").string() +
                ": is binary data, not text; convert it to text first, or leave it out");
}

TEST(SourceFiles, HiddenFilesAndFoldersAreLeftOutUnlessNamed) {
  const TempDir folder;
  for (const char* name : {"in/a.txt", "in/.git/HEAD", "in/.git/config", "in/sub/.DS_Store",
                           "in/.ipynb_checkpoints/a.txt"})
    folder.write(name, "text");
  const SourceFiles found = find_source_files({folder / "in"}, "out");
  EXPECT_EQ(paths(found), std::vector<fs::path>{folder / "in/a.txt"});
  EXPECT_EQ(found.left_out.count(NoText::kHidden), 3);
  EXPECT_NE(found.left_out.text().find("'.git/'"), std::string::npos) << found.left_out.text();
  EXPECT_EQ(find_source_files({folder / "in/.git"}, "out").files.size(), 2u);
}

TEST(SourceFiles, ANamedFileOfAnotherKindIsRefusedByWhatItIs) {
  const TempDir folder;
  const auto refused = [&](std::string_view bytes) {
    const fs::path file = folder.write("file.txt", bytes);
    const std::string error = error_text<InputError>([&] { find_source_files({file}, "out"); });
    const std::string start = file.string() + ": is ";
    return error.starts_with(start) ? error.substr(start.size(), error.find(", not") - start.size())
                                    : error;
  };
  using namespace std::string_view_literals;
  EXPECT_EQ(refused("%PDF-1.7\nstream"), "a PDF document");
  EXPECT_EQ(refused("\x89PNG\r\n\x1a\n\0\0"sv), "a PNG image");
  EXPECT_EQ(refused("SQLite format 3\0"sv), "an SQLite database");
  EXPECT_EQ(refused("{\\rtf1\\ansi hello}"), "an RTF document (save it as plain text)");
  EXPECT_EQ(refused("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
            "a Git LFS pointer and not the file itself (git lfs pull fetches it)");
  EXPECT_EQ(refused("\x10\0\0\0\0\0\0\0{\"a\":1}"sv), "a safetensors file");
  EXPECT_EQ(
      refused("a\0b\0c\0d\0"sv),
      "UTF-16LE text without a byte order mark (--encoding=UTF-16LE reads it) or binary data");
  // Who says what it is knows better.
  EXPECT_EQ(find_source_files({folder / "file.txt"}, "out", {.encoding = "utf-16le"}).files.size(),
            1u);
}

TEST(SourceFiles, LinksAreFollowedOnce) {
  const TempDir folder;
  folder.write("in/a/text", "t");
  folder.write("in/z/deep", "d");
  folder.write("elsewhere/file", "f");
  folder.write("elsewhere/more/file", "m");
  fs::create_directory_symlink("..", folder / "in/a/up");
  fs::create_directory_symlink("../z", folder / "in/a/to_z");  // comes before z itself
  fs::create_directory_symlink(folder / "elsewhere", folder / "in/other");
  fs::create_directory_symlink(folder / "elsewhere", folder / "in/other_again");
  fs::create_symlink("self", folder / "in/self");
  fs::create_symlink("nowhere", folder / "in/dangling");
  fs::create_symlink("a/text", folder / "in/again");
  fs::create_symlink(folder / "elsewhere/more/file", folder / "in/linked");
  const SourceFiles found = find_source_files({folder / "in"}, folder / "out");
  EXPECT_EQ(paths(found), (std::vector<fs::path>{folder / "in/a/text", folder / "in/linked",
                                                 folder / "in/other/file", folder / "in/z/deep"}));
  EXPECT_EQ(found.left_out.count(NoText::kBrokenLink), 2);
  // up, to_z, other_again, again, and other/more/file, which linked brought.
  EXPECT_EQ(found.left_out.count(NoText::kSameFile), 5) << found.left_out.text();
  fs::create_directory_symlink("in", folder / "link");
  EXPECT_EQ(find_source_files({folder / "link"}, folder / "out").files.size(), 4u);
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
  ASSERT_EQ(found.files.size(), 5u);
  EXPECT_EQ(found.files[0].path, folder / "input.txt");
  EXPECT_EQ(found.files[1].path.parent_path(), folder / "sub");
  EXPECT_EQ(found.left_out.text(),
            "3 hidden ('sub/.prepare.lock', 'sub/.prepare.state', "
            "'sub/.prepare.state.tmp-0123abcd-1-2-3')");
}

TEST(SourceFiles, WhatIsOnlyNamedAlikeIsText) {
  const TempDir folder;
  for (const char* name : {"train.bin.tmp-notes", "prepare.state.md", "meta.json.tmp.txt"})
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
  const SourceFiles found = find_source_files({folder.path()}, "out");
  EXPECT_EQ(found.files.size(), 1u);
  EXPECT_EQ(found.left_out.text(), "1 pipes or devices ('pipe')");
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
  EXPECT_TRUE(found.files[0].stream);
  EXPECT_EQ(found.files[0].head, "text");
  EXPECT_EQ(found.files[0].name(), name.string());
  InputStream stream(found.files[0], {});
  char bytes[9];
  EXPECT_TRUE(stream.next_text());
  EXPECT_EQ(stream.read(bytes, sizeof bytes), 4u);
  EXPECT_EQ(stream.read(bytes, sizeof bytes), 0u);
  EXPECT_FALSE(stream.next_text());
  ::close(ends[0]);
}

TEST(SourceFiles, NamesWhatThisUserMayNotRead) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read anything";
  const TempDir folder;
  fs::create_directory(folder / "closed");
  folder.write("secret.txt", "x");
  folder.write("text", "x");
  for (const char* name : {"closed", "secret.txt"}) fs::permissions(folder / name, fs::perms::none);
  const SourceFiles found = find_source_files({folder.path()}, "out");
  EXPECT_EQ(found.files.size(), 1u);
  EXPECT_EQ(found.left_out.text(), "2 unreadable ('closed/', 'secret.txt')");
  EXPECT_NE(error_text<InputError>([&] {
              find_source_files({folder / "closed"}, "out");
            }).find("cannot list the folder: Permission denied"),
            std::string::npos);
}

TEST(SourceFiles, ContentTellsHowAFileIsRead) {
  const TempDir folder;
  const auto layout = [&](const std::string& name, const std::string& text,
                          const std::string& document = "auto") {
    return find_source_files({folder.write(name, text)}, "out", {.document = document})
        .files.at(0)
        .layout;
  };
  const std::string lines = "{\"text\": \"a\"}\n{\"text\": \"b\"}\n";
  using enum Layout;
  EXPECT_EQ(layout("a.txt", "x"), kWhole);
  EXPECT_EQ(layout("a.jsonl", "x"), kJson);  // said by its name
  EXPECT_EQ(layout("a.json", "no JSON"), kWhole);
  for (const char* name : {"a.txt", "a.json", "a.jsonl", "a", "a.gz"}) {
    EXPECT_EQ(layout(name, lines), kJson) << name;
    EXPECT_EQ(layout(name, "\xEF\xBB\xBF" + lines), kJson) << name;
    EXPECT_EQ(layout(name, "[\n {\"text\": \"a\"},\n {\"text\": \"b\"}\n]\n"), kJson) << name;
    EXPECT_EQ(layout(name, "{\n \"text\": \"a\"\n}\n"), kJson) << name;
    EXPECT_EQ(layout(name, lines, "file"), kWhole) << name;
    EXPECT_EQ(layout(name, lines, "line"), kLines) << name;
    EXPECT_EQ(layout(name, "x", "jsonl"), kJson) << name;
  }
  for (const char* text : {"[Verse 1]\nla la\n", "{ braces } and text\n", "{\"a\", \"b\"}, // C\n",
                           "[1] A. Author: A Book\n", "{\n  return 1;\n}\n"})
    EXPECT_EQ(layout("a.txt", text), kWhole) << text;
  const auto standard = find_source_files({"-"}, "out").files.at(0);
  EXPECT_TRUE(standard.stream);
  EXPECT_EQ(standard.name(), "standard input");
}

// A project's settings among its texts are no rows.
TEST(SourceFiles, AJsonObjectInAFolderIsLeftOut) {
  const TempDir folder;
  folder.write("in/package.json", "{\n  \"name\": \"x\"\n}\n");
  folder.write("in/a.txt", "text");
  const SourceFiles found = find_source_files({folder / "in"}, "out");
  EXPECT_EQ(found.left_out.text(), "1 JSON that is no rows ('package.json')");
  EXPECT_EQ(find_source_files({folder / "in"}, "out", {.document = "file"}).files.size(), 2u);
}

TEST(SourceFiles, PatternsAreExpanded) {
  const TempDir folder;
  for (const char* name : {"in/2.txt", "in/1.txt", "in/3.md"}) folder.write(name, "x");
  folder.write("what?", "x");
  EXPECT_EQ(paths(find_source_files({folder / "in/*.txt", folder / "what?"}, "out")),
            (std::vector<fs::path>{folder / "in/1.txt", folder / "in/2.txt", folder / "what?"}));
  EXPECT_EQ(
      error_text<InputError>([&] { find_source_files({folder / "*.no"}, "out"); }),
      (folder / "*.no").string() +
          ": no file matches this pattern; name files, a folder, or a pattern that fits some");
}

}  // namespace
}  // namespace gpt
