// What is read whole has a size beyond which it is refused, before it fills the memory.
#include <gtest/gtest.h>

#include "gpt/dataprep/dataset_folder.h"

#include "support/child.h"
#include "support/environment.h"

namespace gpt {
namespace {

using testing::Environment;
using testing::Finished;
using testing::prepare_tiny;
using testing::run;
using testing::TempDir;
using testing::tiny_training;

// Zeros that take no space, under any name.
void put_large(const TempDir& dir, const std::string& name, int mib) {
  const fs::path place = dir / name;
  make_directories(place.parent_path());
  fs::remove(place);
  OutputFile(place).close();
  fs::resize_file(place, static_cast<std::uintmax_t>(mib) << 20);
}

struct Case {
  std::string file;
  std::vector<std::string> command;
  std::string says;
  int mib = 65;
  int code = 2;
};

TEST(LargeFiles, AreRefusedByEachReaderThatWantsThemWhole) {
  const TempDir dir;
  const Environment cache("HF_HUB_CACHE", dir / "hub");
  prepare_tiny(dir);
  ASSERT_EQ(run(dir, tiny_training({"--out_dir=out", "--max_iters=2"})).code, 0);
  fs::copy(dir / "data/tiny", dir / "data/large");
  fs::copy(dir / "out", dir / "bad", fs::copy_options::recursive);
  make_directories(dir / "hf");
  dir.write("hf/config.json",
            R"({"n_layer": 1, "n_head": 1, "n_embd": 8, "n_ctx": 4, "vocab_size": 9})");
  const std::vector<Case> cases{
      {"large.json", {"train", "large.json"}, "a config of at most 1.00 MiB"},
      {"large.py", {"train", "large.py"}, "a config of at most 1.00 MiB"},
      {"data/large/meta.json",
       {"train", "--dataset=large", "--out_dir=new"},
       "a meta.json of at most 64.00 MiB"},
      {"large.bpe",
       {"prepare", "--tokenizer=large.bpe", "--out=x", "fox.txt"},
       "a vocabulary of at most 64.00 MiB"},
      {"hf/model.safetensors.index.json",
       {"import", "hf", "--out_dir=y"},
       "a JSON file of at most 64.00 MiB"},
      {"hf/config.json", {"import", "hf", "--out_dir=y"}, "a JSON file of at most 64.00 MiB"},
      {"hub/models--gpt2/refs/main",
       {"sample", "--init_from=gpt2"},
       "the name of a revision of at most 4.00 KiB"},
      {"bad/step_00000003/manifest.json",
       {"checkpoint", "verify", "bad"},
       "a manifest of at most 64.00 MiB",
       65,
       1},
      {"large.txt",
       {"sample", "--out_dir=out", "--start=FILE:large.txt"},
       "a prompt of at most 64.00 MiB"},
      {"large.txt",
       {"eval", "--out_dir=out", "large.txt"},
       "a text (prepare a larger one and give its .bin) of at most 256.00 MiB",
       257},
      {"large.jsonl",
       {"eval", "--out_dir=out", "--task=lambada", "large.jsonl"},
       "JSON lines of at most 256.00 MiB",
       257},
  };
  for (const Case& test : cases) {
    put_large(dir, test.file, test.mib);
    const Finished refused = run(dir, test.command);
    const std::string said = refused.out + refused.err;
    EXPECT_EQ(refused.code, test.code) << said;
    EXPECT_NE(said.find(test.file.substr(test.file.rfind('/') + 1)), std::string::npos) << said;
    EXPECT_NE(said.find("is too large; expected " + test.says), std::string::npos) << said;
  }
  // Only what it would save is lost with a state.
  const fs::path state = DatasetFolder::state("z");
  put_large(dir, state, 257);
  const Finished again = run(dir, {"prepare", "--out=z", "fox.txt"});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_NE(again.err.find("a state of at most 256.00 MiB"), std::string::npos) << again.err;
}

}  // namespace
}  // namespace gpt
