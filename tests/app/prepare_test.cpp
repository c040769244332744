// `gpttrain prepare` from outside: stopped and killed and resumed, and tiktoken as its judge.
#include <csignal>
#include <thread>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpt/text/tokenizer_files.h"

#include "support/child.h"
#include "support/python.h"

namespace gpt {
namespace {

using nlohmann::json;
using testing::Child;
using testing::Finished;
using testing::run;
using testing::TempDir;

#define REQUIRE_VOCABULARY()               \
  if (!fs::exists(gpt2_vocabulary_file())) \
  GTEST_SKIP() << "no GPT-2 vocabulary: scripts/setup fetches it"

std::string some_text(std::size_t bytes) {
  std::string text;
  for (int i = 0; text.size() < bytes; ++i)
    text +=
        "Line " + std::to_string(i % 1000 * 977) + " isn't like line " + std::to_string(i) + ".\n";
  return text;
}

bool has_tokens(const fs::path& out) {
  std::error_code ignored;
  const std::uintmax_t size = fs::file_size(out / "train.bin.tmp", ignored);
  return !ignored && size > 0;
}

// Until it is at work: the first time tokens appear, later it says that it continues.
void await_work(const Child& child, const fs::path& out) {
  if (has_tokens(out)) {
    EXPECT_TRUE(child.says("resuming after", /*log=*/true));
    return;
  }
  for (int i = 0; i < 600000 && !has_tokens(out); ++i) usleep(1000);
}

void expect_same_files(const TempDir& dir, const std::string& a, const std::string& b) {
  for (const std::string name : {"/train.bin", "/val.bin"})
    EXPECT_TRUE(read_file(dir / (a + name)) == read_file(dir / (b + name))) << name;
}

// Standard input of the children started while it lives: a pipe.
class InputPipe {
 public:
  InputPipe() : before_(dup(STDIN_FILENO)) {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    dup2(ends[0], STDIN_FILENO);
    close(ends[0]);
    to_ = ends[1];
  }
  ~InputPipe() {
    end();
    close(before_);
  }
  // In a thread, as the pipe holds 64 KiB; a reader that goes away is no error.
  void give(const std::string& text) {
    dup2(before_, STDIN_FILENO);  // the child alone has the reading end
    signal(SIGPIPE, SIG_IGN);
    writer_ = std::thread([this, text] {
      for (std::size_t done = 0; done < text.size();) {
        const ssize_t written = write(to_, text.data() + done, text.size() - done);
        if (written <= 0) return;
        done += static_cast<std::size_t>(written);
      }
    });
  }
  void end() {
    if (writer_.joinable()) writer_.join();
    if (to_ >= 0) close(to_);
    to_ = -1;
  }

 private:
  int before_, to_ = -1;
  std::thread writer_;
};

// Part of the text comes, then silence, and in it the signal; three times, then all of it.
TEST(PrepareProgram, AStreamStoppedAndKilledAndGoneOnWith) {
  REQUIRE_VOCABULARY();
  const TempDir dir;
  const std::string text = some_text(6'000'000);
  dir.write("text.txt", text);
  const std::vector<std::string> command = {"prepare", "--tokenizer=gpt2", "--out=piped", "-"};
  std::size_t part = 0;
  for (const int signal_number : {SIGINT, SIGTERM, SIGKILL}) {
    part += 1'500'000;
    InputPipe pipe;
    const Child child(dir, command);
    pipe.give(text.substr(0, part));
    await_work(child, dir / "piped");
    usleep(300'000);  // they read again what those before have done, and a little more
    kill(child.pid(), signal_number);
    const Finished stopped = child.wait();
    EXPECT_EQ(stopped.code, signal_number == SIGKILL ? -SIGKILL : 75) << stopped.err;
    if (signal_number != SIGKILL) {
      EXPECT_NE(stopped.err.find("the same command resumes"), std::string::npos) << stopped.err;
    }
    EXPECT_TRUE(has_tokens(dir / "piped"));
    EXPECT_FALSE(fs::exists(dir / "piped/train.bin"));
  }
  {
    InputPipe pipe;
    const Child child(dir, command);
    pipe.give(text);
    pipe.end();
    const Finished done = child.wait();
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_NE(done.err.find("resuming after"), std::string::npos) << done.err;
  }
  EXPECT_EQ(run(dir, {"prepare", "--tokenizer=gpt2", "--out=whole", "text.txt"}).code, 0);
  expect_same_files(dir, "piped", "whole");
}

TEST(PrepareProgram, FilesInterruptedInTheMiddleAndGoneOnWith) {
  REQUIRE_VOCABULARY();
  const TempDir dir;
  dir.write("a.txt", some_text(30'000'000));
  dir.write("b.txt", some_text(10'000'000));
  const auto command = [](const std::string& out) {
    return std::vector<std::string>{
        "prepare", "--tokenizer=gpt2", "--threads=1", "--out=" + out, "a.txt", "b.txt"};
  };
  for (const int signal_number : {SIGINT, SIGTERM, SIGKILL}) {
    const Child child(dir, command("stopped"));
    await_work(child, dir / "stopped");
    kill(child.pid(), signal_number);
    const Finished stopped = child.wait();
    EXPECT_EQ(stopped.code, signal_number == SIGKILL ? -SIGKILL : 75) << stopped.err;
    EXPECT_FALSE(fs::exists(dir / "stopped/train.bin"));
  }
  const Finished done = run(dir, command("stopped"));
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_NE(done.err.find("resuming after"), std::string::npos) << done.err;
  EXPECT_EQ(run(dir, command("whole")).code, 0);
  expect_same_files(dir, "stopped", "whole");
}

// The signal comes before main does: LibTorch is still being loaded.
TEST(PrepareProgram, ASignalInItsFirstMillisecondsIsAStopLikeAnyOther) {
  REQUIRE_VOCABULARY();
  const TempDir dir;
  dir.write("a.txt", some_text(300'000));
  const std::vector<std::string> command = {"prepare", "--tokenizer=gpt2", "--out=stopped",
                                            "a.txt"};
  for (const int signal_number : {SIGINT, SIGTERM}) {
    const Child child(dir, command);
    ASSERT_TRUE(child.holds_signals());
    kill(child.pid(), signal_number);
    const Finished stopped = child.wait();
    EXPECT_EQ(stopped.code, 75) << stopped.err;
    EXPECT_NE(stopped.err.find("the same command resumes"), std::string::npos) << stopped.err;
  }
  EXPECT_EQ(run(dir, command).code, 0);
  EXPECT_EQ(run(dir, {"prepare", "--tokenizer=gpt2", "--out=whole", "a.txt"}).code, 0);
  expect_same_files(dir, "stopped", "whole");

  // So does one that comes when all is done: then it is too late to stop.
  const Child late(dir, {"prepare", "--tokenizer=gpt2", "--out=late", "a.txt"});
  ASSERT_TRUE(late.says("late: "));
  kill(late.pid(), SIGTERM);
  EXPECT_EQ(late.wait().code, 0);

  // A command that has nothing to save ends as any program does.
  const Child keys(dir, {"keys"});
  ASSERT_TRUE(keys.holds_signals());
  kill(keys.pid(), SIGTERM);
  EXPECT_EQ(keys.wait().code, -SIGTERM);
}

// nanoGPT's openwebtext (documents) and shakespeare (one text), encoded by tiktoken.
TEST(PrepareProgram, WritesTheTokensThatTiktokenWould) {
  REQUIRE_VOCABULARY();
  const std::string python = testing::venv_python("extras");
  if (python.empty())
    GTEST_SKIP() << "no tiktoken in the cache folder; scripts/setup --with-tests installs it";
  const TempDir dir;
  std::string lines[2], text;
  for (int i = 0; i < 600; ++i) {
    std::string document =
        "Document " + std::to_string(i) + ":\n\n  caf\u00e9 \u4f60\u597d \U0001F600";
    if (i % 7 == 0) document += " <|endoftext|> inside is text";
    if (i % 50 == 0) document = i ? " " : "";
    if (i % 97 == 5) document += some_text(40'000);
    lines[i / 300] += json{{"text", document}, {"id", i}}.dump() + "\n";
    text += document + "\n";
  }
  dir.write("a.jsonl", lines[0]);
  dir.write("b.jsonl", lines[1]);
  dir.write("text.txt", text);
  const auto judged = [&](const std::string& kind, const std::vector<std::string>& inputs,
                          const std::string& share) {
    std::vector<std::string> command{"prepare", "--tokenizer=gpt2", "--out=" + kind,
                                     "--val_fraction=" + share};
    command.insert(command.end(), inputs.begin(), inputs.end());
    EXPECT_EQ(run(dir, command).code, 0);
    std::vector<std::string> arguments{gpt2_vocabulary_file(), dir / kind, kind};
    for (const std::string& input : inputs) arguments.push_back(dir / input);
    const auto result = testing::run_python(python, "tests/app/tiktoken_documents.py", arguments);
    EXPECT_EQ(result.code, 0) << result.out;
    return result.code == 0 ? json::parse(result.out) : json();
  };
  const json documents = judged("documents", {"a.jsonl", "b.jsonl"}, "0.05");
  EXPECT_EQ(documents.value("val_documents", 0), 30);
  EXPECT_GT(documents.value("train", 0), 50'000);
  EXPECT_GT(judged("text", {"text.txt"}, "0.1").value("val", 0), 5'000);
}

}  // namespace
}  // namespace gpt
