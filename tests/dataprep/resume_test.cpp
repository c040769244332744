// Interrupted and resumed, `prepare` writes the bytes that it writes in one go.
#include <csignal>
#include <memory>
#include <sys/wait.h>

#include "gpt/base/files.h"
#include "gpt/base/strings.h"
#include "gpt/dataprep/dataset_folder.h"
#include "gpt/dataprep/prepare.h"

#include "dataprep/pair_tokenizer.h"
#include "support/environment.h"
#include "support/error_text.h"
#include "support/file_fault.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::names_in;
using testing::TempDir;

// Words in lines, for chunks that differ.
std::string words(std::size_t bytes, std::uint32_t random) {
  std::string text;
  while (text.size() < bytes) {
    random = random * 1664525 + 1013904223;
    text += std::string(1 + (random >> 10) % 12, static_cast<char>('a' + (random >> 16) % 26));
    text += (random >> 24) % 8 == 0 ? '\n' : ' ';
  }
  return text;
}

class Resume : public ::testing::Test {
 protected:
  Resume() {
    std::string lines;
    for (std::uint32_t i = 0; i < 700; ++i) {
      std::string text = words(1 + i * 37 % 4000, i);
      for (char& c : text) c = c == '\n' ? '.' : c;
      lines += "{\"text\": \"" + text + "\"}\n";
    }
    folder_.write("in/1.txt", words(700000, 1));
    folder_.write("in/2.jsonl", lines);
    folder_.write("in/3.txt", words(300, 2));
    folder_.write("in/4.txt", words(400000, 3));
  }

  PrepareRequest request(const std::string& kind, const std::string& out) const {
    PrepareRequest asked{.inputs = {folder_ / "in"}, .out_dir = folder_ / out, .threads = 2};
    asked.save_seconds = 0;  // after every chunk
    if (kind != "char") asked.tokenizer = std::make_shared<PairTokenizer>();
    asked.split = kind == "document" ? "document" : "end";
    return asked;
  }

  // `asked` in a process of its own that is killed at its nth call on files. Whether it was.
  static bool killed_at(const PrepareRequest& asked, int nth) {
    const pid_t pid = fork();
    if (pid == 0) {
      int calls = 0;
      set_file_fault([&](std::string_view, const fs::path&, std::size_t*) {
        if (++calls == nth) raise(SIGKILL);
        return 0;
      });
      const testing::Environment level("GPTTRAIN_LOG", "error");
      try {
        prepare(asked);
      } catch (const Error&) {
        _exit(1);
      }
      _exit(0);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0) << nth;
    return WIFSIGNALED(status);
  }

  void expect_same(const std::string& a, const std::string& b) const {
    for (const char* name : {"train.bin", "val.bin", "meta.json"})
      EXPECT_TRUE(read_file(folder_ / a / name) == read_file(folder_ / b / name)) << name;
    EXPECT_EQ(names_in(folder_ / b),
              (std::set<std::string>{"train.bin", "val.bin", "meta.json", ".prepare.lock"}));
  }

  const TempDir folder_;
};

// Killed again and again, a few calls further each time, until one run gets through.
TEST_F(Resume, SurvivesKillsAtEveryStage) {
  for (const std::string kind : {"document", "end", "char"}) {
    prepare(request(kind, kind));
    int kills = 0, nth = 3;
    const std::string out = kind + ".killed";
    while (killed_at(request(kind, out), nth)) {
      if (fs::exists(folder_ / out / "train.bin")) break;  // it is all there
      ++kills;
      nth = 3 + (nth * 7 + kills) % 41 + kills / 2;
      ASSERT_LT(kills, 200);
    }
    EXPECT_GT(kills, 5) << kind;
    fs::remove(folder_ / out / ".prepare.state");
    expect_same(kind, out);
  }
}

// The calls of the last part, one after the other: the split at the end, and publishing.
TEST_F(Resume, SurvivesAKillAtEachCallOfTheEnd) {
  folder_.write("in/1.txt", "one two three");
  fs::remove(folder_ / "in/2.jsonl");
  fs::remove(folder_ / "in/4.txt");
  prepare(request("end", "whole"));
  int nth = 1;
  bool killed = true;
  for (; killed; ++nth) {
    const std::string out = "killed" + std::to_string(nth);
    killed = killed_at(request("end", out), nth);
    if (!fs::exists(folder_ / out / "train.bin")) prepare(request("end", out));
    fs::remove(folder_ / out / ".prepare.state");  // a kill after the last rename leaves it
    expect_same("whole", out);
  }
  EXPECT_GT(nth, 40);
}

TEST_F(Resume, AStopSavesAndTheSameRequestGoesOn) {
  for (const std::string kind : {"document", "end", "char"}) {
    prepare(request(kind, kind));
    int runs = 0;
    while (true) {
      PrepareRequest asked = request(kind, kind + ".stopped");
      asked.save_seconds = 1000;
      asked.stop = [left = 5 + runs % 3]() mutable { return left-- == 0; };
      // The characters of a text are taken in one go.
      if (kind == "char" && runs == 0) asked.stop = [left = 12]() mutable { return left-- == 0; };
      if (++runs > 100 || prepare(asked)) break;
      if (runs > 12) asked.stop = {};
    }
    EXPECT_GT(runs, kind == "char" ? 0 : 1);
    if (runs <= 100) expect_same(kind, kind + ".stopped");
  }
}

TEST_F(Resume, OnlyTheSameGoesOn) {
  PrepareRequest asked = request("document", "out");
  ASSERT_TRUE(killed_at(asked, 60));
  PrepareRequest other = asked;
  other.seed = 5;
  EXPECT_EQ(
      error_text<InputError>([&] { prepare(other); }),
      (folder_ / "out").string() +
          ": holds an unfinished preparation with another seed (2357, now 5); resume it with the "
          "same command, or add --restart to drop it");
  const std::string first = read_file(folder_ / "in/1.txt");
  folder_.write("in/1.txt", first + "more");  // read to its end before
  EXPECT_EQ(
      error_text<InputError>([&] {
        prepare(asked);
      }).find((folder_ / "in/1.txt").string() + ": is not what the interrupted run read here"),
      0u);
  folder_.write("in/0.txt", "new");
  EXPECT_NE(error_text<InputError>([&] { prepare(asked); }), "");
  fs::remove(folder_ / "in/0.txt");
  EXPECT_TRUE(fs::exists(folder_ / "out/.prepare.state"));  // nothing was lost
  asked.restart = true;
  prepare(asked);
  prepare(request("document", "whole"));
  expect_same("whole", "out");
}

TEST_F(Resume, ThePartOfAFileThatWasReadMustBeTheSame) {
  const PrepareRequest asked = request("document", "out");
  ASSERT_TRUE(killed_at(asked, 20));  // within the first file
  const std::string first = read_file(folder_ / "in/1.txt");
  std::string other = first;
  other[10] = '#';
  folder_.write("in/1.txt", other);
  EXPECT_NE(error_text<InputError>([&] {
              prepare(asked);
            }).find("1.txt: is not what the interrupted run read (its first "),
            std::string::npos);
  other = first;
  other[other.size() - 10] = '#';  // that was not read yet
  folder_.write("in/1.txt", other);
  prepare(asked);
  prepare(request("document", "whole"));
  expect_same("whole", "out");
}

TEST_F(Resume, ADamagedStateOrMissingFilesBeginAnew) {
  prepare(request("document", "whole"));
  for (const std::string damage : {"state", "files"}) {
    const PrepareRequest asked = request("document", damage);
    ASSERT_TRUE(killed_at(asked, 60));
    if (damage == "state")
      folder_.write("state/.prepare.state", "{\"format\"");
    else
      fs::resize_file(folder_ / "files/train.bin.tmp", 100);
    prepare(asked);
    expect_same("whole", damage);
  }
}

TEST_F(Resume, TheOldDatasetStaysUntilTheNewOneIsThere) {
  PrepareRequest asked = request("document", "out");
  prepare(asked);
  const std::string old = read_file(folder_ / "out/train.bin");
  asked.force = true;
  asked.seed = 9;
  ASSERT_TRUE(killed_at(asked, 60));
  EXPECT_TRUE(read_file(folder_ / "out/train.bin") == old);
  EXPECT_NE(error_text<InputError>([&] {
              PrepareRequest careless = asked;
              careless.force = false;
              prepare(careless);
            }).find("already holds a dataset"),
            std::string::npos);
  prepare(asked);
  EXPECT_FALSE(read_file(folder_ / "out/train.bin") == old);
}

}  // namespace
}  // namespace gpt
