// Names and files that stand where the program reads, writes and prints, and are not what it
// expects there.
#include <sys/stat.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpt/base/checksum.h"

#include "support/shell.h"

namespace gpt {
namespace {

using testing::Finished;
using testing::prepare_tiny;
using testing::run;
using testing::shell;
using testing::TempDir;
using testing::tiny_training;
using testing::words;

class ForeignNames : public ::testing::Test {
 protected:
  void SetUp() override {
    prepare_tiny(dir_);
    dir_.write("victim", "precious");
  }
  void trained() const {
    ASSERT_EQ(run(dir_, tiny_training({"--out_dir=out", "--max_iters=5"})).code, 0);
  }
  void put_link(const std::string& name) const {
    fs::remove_all(dir_ / name);
    fs::create_directories((dir_ / name).parent_path());
    fs::create_symlink(dir_ / "victim", dir_ / name);
  }
  void put_pipe(const std::string& name) const {
    fs::remove_all(dir_ / name);
    fs::create_directories((dir_ / name).parent_path());
    ASSERT_EQ(mkfifo((dir_ / name).c_str(), 0600), 0);
  }
  void expect_untouched(const std::string& where) const {
    EXPECT_EQ(read_file(dir_ / "victim"), "precious") << where;
  }
  const TempDir dir_;
};

TEST_F(ForeignNames, NoLinkInARunFolderIsWrittenThrough) {
  trained();
  int iterations = 5;
  const auto resume = [&] {
    iterations += 3;
    return words(tiny_training({"--out_dir=out", "--init_from=resume", "--profile=True",
                                "--max_iters=" + std::to_string(iterations)}));
  };
  for (const std::string name : {"out/run.lock", "out/metrics.jsonl"}) {
    put_link(name);
    const Finished refused = shell(dir_, resume());
    EXPECT_EQ(refused.code, 1) << refused.err;
    EXPECT_NE(refused.err.find(name + ": is a symbolic link"), std::string::npos) << refused.err;
    expect_untouched(name);
    fs::remove(dir_ / name);
  }
  put_link("out/train.log");
  const Finished unlogged = shell(dir_, resume());
  EXPECT_EQ(unlogged.code, 0) << unlogged.err;
  EXPECT_NE(unlogged.err.find("warning: out/train.log: is a symbolic link"), std::string::npos)
      << unlogged.err;
  expect_untouched("out/train.log");
  fs::remove(dir_ / "out/train.log");
  // Nothing is lost with these, so ours takes the place of the link. `exec` makes the process's id,
  // which temporary names have, the shell's.
  for (const std::string name :
       {"config.json", "trace.json", "trace.json.tmp", "config.json.tmp-$$", "step_00000009.tmp-$$",
        "metrics.jsonl.tmp-$$", "train.log.tmp-$$"}) {
    const Finished done = shell(dir_, "ln -sfT ../victim out/" + name + "\nexec " + resume());
    EXPECT_EQ(done.code, 0) << name << ": " << done.err;
    expect_untouched(name);
  }
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(dir_ / "out/config.json")));
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(dir_ / "out/trace.json")));
}

TEST_F(ForeignNames, NoLinkInADatasetFolderIsWrittenThrough) {
  const std::string prepare = "exec $GPT prepare --out=p --force fox.txt";
  put_link("p/.prepare.lock");
  const Finished refused = shell(dir_, prepare);
  EXPECT_EQ(refused.code, 1) << refused.err;
  EXPECT_NE(refused.err.find("p/.prepare.lock: is a symbolic link"), std::string::npos)
      << refused.err;
  fs::remove(dir_ / "p/.prepare.lock");
  for (const std::string name :
       {"train.bin", "val.bin", "meta.json", "train.bin.tmp", "val.bin.tmp", "meta.json.tmp",
        "meta.json.tmp.tmp-$$", ".prepare.state", ".prepare.state.tmp-$$"}) {
    const Finished done = shell(dir_, "mkdir -p p\nln -sfT ../victim p/" + name + "\n" + prepare);
    EXPECT_EQ(done.code, 0) << name << ": " << done.err;
    expect_untouched(name);
    EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(dir_ / "p/train.bin"))) << name;
  }
}

// What a link leads to is judged as if it had been named itself.
TEST_F(ForeignNames, AnExportThroughALinkReplacesOnlyAnExport) {
  trained();
  const std::string export_to =
      "\nexec $GPT export --out_dir=out --format=nanogpt --overwrite=True --to=";
  const Finished foreign = shell(dir_, "ln -sfT victim link.pt" + export_to + "link.pt");
  EXPECT_EQ(foreign.code, 2) << foreign.err;
  expect_untouched("link.pt");
  EXPECT_TRUE(fs::is_symlink(dir_ / "link.pt"));
  EXPECT_EQ(shell(dir_, export_to + "real.pt").code, 0);
  dir_.write("old.pt", read_file(dir_ / "real.pt"));
  const Finished own = shell(dir_, "ln -sfT old.pt link.pt" + export_to + "link.pt");
  EXPECT_EQ(own.code, 0) << own.err;
  EXPECT_TRUE(fs::is_symlink(dir_ / "link.pt"));
  // A file of torch.save holds its own name, so that the new one differs from the copy.
  EXPECT_NE(read_file(dir_ / "old.pt"), read_file(dir_ / "real.pt"));
  put_pipe("pipe.pt");
  const Finished refused =
      shell(dir_, "$GPT export --out_dir=out --format=nanogpt --to=pipe.pt --overwrite=True");
  EXPECT_GT(refused.code, 0);
  EXPECT_TRUE(fs::is_fifo(dir_ / "pipe.pt"));
}

TEST_F(ForeignNames, TheRunFolderMayBeALink) {
  fs::create_directory(dir_ / "disk");
  fs::create_directory_symlink("disk", dir_ / "out");
  trained();
  EXPECT_TRUE(fs::exists(dir_ / "disk/step_00000006/manifest.json"));
}

// `code` is that of the refusal; 124 would be a program that waits.
TEST_F(ForeignNames, NoCommandWaitsForAPipe) {
  trained();
  dir_.write("data/odd/val.bin", "abcd");
  for (const std::string name : {"hf/config.json", "ckpt.pt", "c.py", "c.json", "prompt",
                                 "data/odd/train.bin", "data/odd2/meta.json", "words.tiktoken"})
    put_pipe(name);
  const std::vector<std::pair<std::string, std::string>> cases{
      {"import hf --out_dir=o", "hf/config.json: is a pipe"},
      {"import ckpt.pt --out_dir=o", "ckpt.pt: is a pipe"},
      {"train c.py", "c.py: is a pipe"},
      {"train c.json", "c.json: is a pipe"},
      {"sample --out_dir=out --start=FILE:prompt", "prompt: is a pipe"},
      {"sample --out_dir=out --tokenizer=words.tiktoken", "words.tiktoken: is a pipe"},
      {"prepare --out=p --tokenizer=words.tiktoken fox.txt", "words.tiktoken: is a pipe"},
      {"prepare --out=p prompt", "prompt: expected a regular file"},
      {"eval --out_dir=out prompt", "prompt: no such file"},
      {words(tiny_training({"--dataset=odd"})).substr(6), "train.bin: is a special file"},
      {words(tiny_training({"--dataset=odd2"})).substr(6), "meta.json: is a pipe"}};
  for (const auto& [command, text] : cases) {
    const Finished refused = shell(dir_, "timeout 20 \"$GPT\" " + command);
    EXPECT_EQ(refused.code, 2) << command << ": " << refused.err;
    EXPECT_NE(refused.err.find(text), std::string::npos) << command << ": " << refused.err;
  }
}

TEST_F(ForeignNames, NoPipeInARunFolderIsWaitedFor) {
  trained();
  const std::string resume =
      words(tiny_training({"--out_dir=out", "--init_from=resume", "--max_iters=8"}));
  for (const std::string name : {"run.lock", "metrics.jsonl"}) {
    put_pipe("out/" + name);
    const Finished refused = shell(dir_, "timeout 20 " + resume);
    EXPECT_EQ(refused.code, 1) << name << ": " << refused.err;
    EXPECT_NE(refused.err.find(name + ": is a pipe"), std::string::npos) << refused.err;
    fs::remove(dir_ / "out" / name);
  }
  put_pipe("out/train.log");
  const Finished unlogged = shell(dir_, "timeout 20 " + resume);
  EXPECT_EQ(unlogged.code, 0) << unlogged.err;
  EXPECT_NE(unlogged.err.find("train.log: is a pipe"), std::string::npos) << unlogged.err;
  for (const std::string name : {"manifest.json", "model.safetensors"}) {
    put_pipe("out/step_00000006/" + name);
    const Finished listed = shell(dir_, "timeout 20 $GPT checkpoint verify out");
    EXPECT_EQ(listed.code, 1) << listed.err;
    EXPECT_NE(listed.out.find("step_00000006  damaged: "), std::string::npos) << listed.out;
  }
  for (const std::string name : {".prepare.lock", ".prepare.state"}) {
    put_pipe("p/" + name);
    const Finished prepared = shell(dir_, "timeout 20 $GPT prepare --out=p fox.txt");
    EXPECT_TRUE(prepared.code == 0 || prepared.code == 1) << name << ": " << prepared.code;
    fs::remove_all(dir_ / "p");
  }
}

TEST_F(ForeignNames, AStreamThatTheShellOpensIsRead) {
  trained();
  const Finished spoken =
      shell(dir_,
            "printf 'the ' | $GPT sample --out_dir=out --device=cpu --start=FILE:/dev/stdin "
            "--max_new_tokens=3 --num_samples=1");
  EXPECT_EQ(spoken.code, 0) << spoken.err;
  EXPECT_EQ(spoken.out.find("the "), 0u) << spoken.out;
  const Finished substituted =
      shell(dir_,
            "$GPT sample --out_dir=out --device=cpu --start=FILE:<(printf 'the ') "
            "--max_new_tokens=3 --num_samples=1");
  EXPECT_EQ(substituted.out, spoken.out) << substituted.err;
}

bool has_controls(const std::string& text) {
  for (const char c : text)
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7F) return true;
  return false;
}

TEST_F(ForeignNames, NothingThatFilesSaySteersTheTerminal) {
  trained();
  fs::create_directory(dir_ / "hf");
  dir_.write("hf/config.json",
             R"({"model_type":"gpt2","n_layer":1,"n_head":1,"n_embd":8,"n_positions":8,)"
             R"("vocab_size":8})");
  dir_.write("hf/model.safetensors.index.json",
             R"({"weight_map":{"a":"\u001b]0;owned\u0007\u001b[2J.safetensors"}})");
  const fs::path manifest = dir_ / "out/step_00000006/manifest.json";
  std::string text = read_file(manifest);
  text.resize(text.rfind(",\n  \"crc32c\""));
  const std::string reason = "\"reason\": \"end\"";
  text.replace(text.find(reason), reason.size(), R"("reason": "\u001b[2J\u001b]0;own\u0007\nx")");
  dir_.write(
      "out/step_00000006/manifest.json",
      text + ",\n  \"crc32c\": \"" + hex32(crc32c(std::as_bytes(std::span(text)))) + "\"\n}\n");
  const std::vector<std::pair<std::string, std::string>> cases{
      {"import hf --out_dir=o", "\\u001b]0;owned\\u0007\\u001b[2J.safetensors"},
      {"checkpoint list out", "\\u001b[2J\\u001b]0;own\\u0007\\u000ax\n"},
      {"checkpoint list $'a\\e[2J\\u202e'", "a\\u001b[2J\\u202e: no such folder"},
      {"$'\\e[2J'", "'\\u001b[2J'"},
      {"train $'\\e[2J.py'", "\\u001b[2J.py: cannot read"},
      {"doctor --device=cpu $'--out_dir=\\e[2J\\nx'", "\\u001b[2J\\u000ax: "}};
  for (const auto& [command, shown] : cases) {
    const Finished done = shell(dir_, "$GPT " + command);
    EXPECT_FALSE(has_controls(done.out + done.err)) << command;
    EXPECT_NE((done.out + done.err).find(shown), std::string::npos)
        << command << ": " << done.out << done.err;
  }
  const Finished json = shell(dir_, "$GPT doctor --device=cpu --json $'--out_dir=\\x7f\\e\\u202e'");
  EXPECT_FALSE(has_controls(json.out));
  EXPECT_EQ(nlohmann::json::parse(json.out).at("disk").at("out_dir").at("path"), "\x7f\x1b\u202e");
}

}  // namespace
}  // namespace gpt
