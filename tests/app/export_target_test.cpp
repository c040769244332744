// What an export may replace: every kind of thing that --to can name.
#include "app/export_target.h"

#include <set>
#include <string>

#include <gtest/gtest.h>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/strings.h"
#include "gpt/formats/zip_writer.h"

#include "support/child.h"
#include "support/error_text.h"
#include "support/gone_process.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::Finished;
using testing::prepare_tiny;
using testing::run;
using testing::TempDir;
using testing::tiny_training;

void make_checkpoint(const fs::path& folder) {
  make_directories(folder);
  for (const char* name : {"manifest.json", "model.safetensors", "optimizer.safetensors"})
    replace_file(folder / name, "x");
}

void make_run(const fs::path& folder) {
  make_checkpoint(folder / "step_00000010");
  for (const char* name : {"metrics.jsonl", "config.json"}) replace_file(folder / name, "{}");
}

void make_export(const fs::path& folder) {
  make_directories(folder);
  replace_file(folder / "config.json", R"({"model_type": "gpt2"})");
  replace_file(folder / "model.safetensors", "x");
}

void make_torch_file(const fs::path& file, const std::string& first = "ckpt/data.pkl") {
  ZipWriter zip(file);
  zip.add(first, "x");
  zip.finish();
}

// Everything below a folder, with contents.
std::string everything(const fs::path& folder) {
  std::set<std::string> all;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const bool file = entry.symlink_status().type() == fs::file_type::regular;
    all.insert(entry.path().string() + (file ? ": " + read_file(entry.path()) : std::string()));
  }
  std::string text;
  for (const std::string& line : all) text += line + "\n";
  return text;
}

class ExportTargetTest : public ::testing::Test {
 protected:
  ExportTargetTest() {
    make_run(dir_ / "run");
    make_run(dir_ / "above/other");
    make_export(dir_ / "model");
    make_torch_file(dir_ / "x.pt");
    make_directories(dir_ / "docs");
    dir_.write("docs/thesis.txt", "precious");
    make_export(dir_ / "mixed");
    dir_.write("mixed/notes.txt", "precious");
    dir_.write("mixed/zebra", "precious");
    dir_.write("note.pt", "precious");
    make_torch_file(dir_ / "letter.docx", "[Content_Types].xml");
    make_checkpoint(dir_ / "copies/mine");
    make_export(dir_ / "run/replaced-20260101-000000/hf");
    fs::create_directory_symlink(dir_ / "run", dir_ / "link_to_run");
    fs::create_directory_symlink(dir_ / "run/step_00000010", dir_ / "link_to_checkpoint");
    fs::create_directory_symlink(dir_ / "model", dir_ / "link_to_model");
    fs::create_directory_symlink(dir_ / "model", dir_ / "run/link");
    fs::create_symlink("loop", dir_ / "loop");
  }

  // The error, "" where it may be written.
  std::string refusal(const std::string& to, const std::string& format = "hf",
                      bool overwrite = true) const {
    ExportConfig config;
    config.out_dir = dir_ / "run";
    config.to = to.empty() || to[0] == '/' ? to : (dir_ / to).string();
    config.format = format;
    config.overwrite = overwrite;
    return error_text([&] { export_target(config); });
  }
  void refused(const std::string& to, const std::string& why) const {
    for (const char* format : {"hf", "nanogpt"})
      EXPECT_NE(refusal(to, format).find(why), std::string::npos)
          << to << " " << format << ": " << refusal(to, format);
  }

  TempDir dir_;
};

TEST_F(ExportTargetTest, RunsAndCheckpointsAreNeverReplaced) {
  const std::string before = everything(dir_.path());
  for (const char* to : {"run", "run/", "run/.", "run//", "link_to_run", "link_to_run/",
                         "above/other", "model/../run", "run/step_00000010/.."})
    refused(to, "is the folder of a run");
  refused("above", "is above the folder of a run, other");
  for (const char* to : {"run/step_00000010", "run/step_00000010/", "link_to_checkpoint",
                         "link_to_run/step_00000010"})
    refused(to, "is the checkpoint step_00000010");
  refused("copies/mine", "is the checkpoint mine");
  for (const char* to : {"run/step_00000010/hf", "run/step_00000010/model.safetensors",
                         "link_to_checkpoint/new/deeper"})
    refused(to, "lies in the checkpoint step_00000010");
  for (const char* to :
       {"run/step_00000999", "run/run.lock", "run/metrics.jsonl", "run/config.json",
        "run/train.log", "run/replaced-20260101-000000", "run/step_00000010.tmp-0123abcd-1-2-3"})
    refused(to, "is a name that the run uses itself");
  refused("run/link", "is a link in the folder of a run");
  EXPECT_EQ(everything(dir_.path()), before);
}

TEST_F(ExportTargetTest, NeitherAreTheCurrentFolderAndWhatIsAboveIt) {
  const fs::path before = fs::current_path();
  make_directories(dir_ / "model/sub");
  fs::current_path(dir_ / "model/sub");
  refused("model/sub", "is the current folder");
  refused("model", "is above the current folder");
  refused("model/sub/..", "is above the current folder");
  refused("/", "is the root of the file system");
  refused("link_to_model", "is above the current folder");
  fs::current_path(before);
}

TEST_F(ExportTargetTest, AFolderWithAnythingElseIsKept) {
  const std::string before = everything(dir_.path());
  EXPECT_NE(refusal("docs").find("docs: holds 'thesis.txt', which is no file of an exported model"),
            std::string::npos)
      << refusal("docs");
  EXPECT_NE(refusal("mixed").find("mixed: holds 'notes.txt'"), std::string::npos)
      << refusal("mixed");
  make_directories(dir_ / "model/deeper");
  EXPECT_NE(refusal("model").find("holds 'deeper'"), std::string::npos);
  fs::remove(dir_ / "model/deeper");
  fs::create_symlink("../note.pt", dir_ / "model/vocab.json");
  EXPECT_NE(refusal("model").find("holds 'vocab.json'"), std::string::npos);
  fs::remove(dir_ / "model/vocab.json");
  dir_.write("model/config.json", R"({"model_type": "llama"})");
  EXPECT_NE(refusal("model").find("is not an exported GPT-2 model"), std::string::npos);
  for (const char* text : {"", "[]", "{", "{\"model_type\": 3}"}) {
    dir_.write("model/config.json", text);
    EXPECT_NE(refusal("model").find("is not an exported GPT-2 model"), std::string::npos) << text;
  }
  make_export(dir_ / "model");
  EXPECT_EQ(everything(dir_.path()), before);
}

TEST_F(ExportTargetTest, AFileThatIsNoCheckpointIsKept) {
  for (const char* to : {"note.pt", "letter.docx", "docs/thesis.txt"})
    EXPECT_NE(refusal(to, "nanogpt").find("is not a checkpoint of PyTorch"), std::string::npos)
        << refusal(to, "nanogpt");
  EXPECT_NE(refusal("x.pt", "hf").find("is a file; format=hf writes a folder"), std::string::npos);
  EXPECT_NE(refusal("model", "nanogpt").find("is a folder; format=nanogpt writes a file"),
            std::string::npos);
  EXPECT_NE(refusal("/dev/null", "nanogpt").find("is neither a file nor a folder"),
            std::string::npos);
  EXPECT_NE(refusal("loop", "nanogpt"), "");
}

TEST_F(ExportTargetTest, ExportsAreReplacedIfAsked) {
  for (const char* to : {"model", "model/", "model/.", "link_to_model", "new", "new/", "a/b/c",
                         "run/replaced-20260101-000000/hf", ""})
    EXPECT_EQ(refusal(to), "") << to;
  for (const char* to : {"x.pt", "new.pt", "run/ckpt.pt", ""})
    EXPECT_EQ(refusal(to, "nanogpt"), "") << to;
  make_directories(dir_ / "empty");
  EXPECT_EQ(refusal("empty"), "");
  for (const char* name : {"vocab.json", "merges.txt", "tokenizer.json", "generation_config.json",
                           "model-00001-of-00002.safetensors", "model.safetensors.index.json"})
    dir_.write(std::string("model/") + name, "x");
  EXPECT_EQ(refusal("model"), "");
  for (const char* to : {"model", "model/", "empty", "docs"})
    EXPECT_NE(refusal(to, "hf", false).find("already exists"), std::string::npos) << to;
  EXPECT_NE(refusal("x.pt", "nanogpt", false).find("x.pt: already exists"), std::string::npos);
}

// The program: nothing that was not named is touched, and a slash at the end changes nothing.
TEST(Export, ReplacesItsOwnAndTouchesNothingElse) {
  const TempDir dir;
  prepare_tiny(dir);
  ASSERT_EQ(run(dir, tiny_training({"--out_dir=run"})).code, 0);
  const std::string run_before = everything(dir / "run");
  for (const char* to : {"run", "run/", "run/step_00000021", ".", "..", "/"}) {
    const Finished refused =
        run(dir, {"export", "--out_dir=run", concat("--to=", to), "--overwrite=True"});
    EXPECT_EQ(refused.code, 2) << to << refused.err;
  }
  EXPECT_EQ(everything(dir / "run"), run_before);
  ASSERT_EQ(run(dir, {"export", "--out_dir=run", "--to=model/"}).code, 0);
  for (const char* other : {"model.old", "model.new"}) make_directories(dir / other / "mine");
  for (const char* killed : {"model", "model2.pt"})
    make_directories(testing::name_of_gone(dir / killed));
  for (const char* to : {"--to=model", "--to=model/"}) {
    const std::string before = everything(dir / "model");
    const Finished again = run(dir, {"export", "--out_dir=run", to, "--overwrite=True"});
    EXPECT_EQ(again.code, 0) << again.err;
    EXPECT_EQ(everything(dir / "model"), before);
  }
  for (const char* other : {"model.old/mine", "model.new/mine"})
    EXPECT_TRUE(fs::is_directory(dir / other)) << other;
  std::set<std::string> models;
  for (const auto& entry : fs::directory_iterator(dir.path()))
    if (entry.path().filename().string().starts_with("model"))
      models.insert(entry.path().filename().string());
  EXPECT_EQ(models, (std::set<std::string>{"model", "model.new", "model.old"}));
}

}  // namespace
}  // namespace gpt
