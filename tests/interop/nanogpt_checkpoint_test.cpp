#include "gpt/interop/nanogpt_checkpoint.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "gpt/base/error.h"
#include "gpt/base/files.h"

#include "support/error_text.h"
#include "support/python.h"
#include "support/temp_dir.h"
#include "support/tensor_near.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::TempDir;

class NanogptFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string python = testing::venv_python();
    if (python.empty()) GTEST_SKIP() << "no PyTorch in the cache folder; scripts/setup installs it";
    const auto made = testing::run_python(python, "tests/interop/nanogpt_files.py", {dir.path()});
    ASSERT_EQ(made.code, 0) << made.out;
  }
  NanogptCheckpoint open(const std::string& name) {
    return NanogptCheckpoint(dir / (name + ".pt"));
  }
  std::string error(const std::string& name) {
    return error_text([&] { open(name).check_optimizer(); });
  }
  const TempDir dir;
};

TEST_F(NanogptFiles, AreReadWhole) {
  const NanogptCheckpoint file = open("whole");
  EXPECT_EQ(file.iteration(), 5);
  EXPECT_EQ(file.best_val_loss(), 1.25);
  EXPECT_EQ(file.shape().vocab_size, 6);
  EXPECT_EQ(file.shape().block_size, 3);
  EXPECT_EQ(file.shape().config.dropout, 0.1);
  EXPECT_FALSE(file.shape().config.bias);
  EXPECT_EQ(file.config().size(), 5u);  // None is no value
  EXPECT_EQ(error("whole"), "");
  // ln_f is the last of the second group, the projection of the MLP the last of the first.
  const auto last = file.optimizer_state("transformer.ln_f.weight");
  EXPECT_EQ(last.step.item<double>(), 5);
  EXPECT_EQ(last.exp_avg.sizes(), at::IntArrayRef({4}));
  EXPECT_EQ(file.optimizer_state("transformer.h.0.mlp.c_proj.weight").exp_avg.sizes(),
            at::IntArrayRef({4, 16}));
}

TEST_F(NanogptFiles, OfOtherTypesAndTimesAreRead) {
  const NanogptCheckpoint whole = open("whole"), half = open("half"), old = open("old_style");
  const std::string name = "transformer.h.0.mlp.c_fc.weight";
  EXPECT_EQ(half.weight(name).scalar_type(), at::kFloat);
  EXPECT_TRUE(at::equal(half.weight(name), whole.weight(name).to(at::kBFloat16).to(at::kFloat)));
  EXPECT_TRUE(at::equal(old.weight(name), whole.weight(name)));
  EXPECT_EQ(old.optimizer_state(name).step.item<double>(), 5);
  EXPECT_EQ(old.best_val_loss(), 1.25);
  EXPECT_EQ(error("unstepped"), "");
  EXPECT_EQ(open("unstepped").optimizer_state(name).exp_avg.abs().max().item<double>(), 0);
}

TEST_F(NanogptFiles, ThatAreBrokenSayWhere) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"no_model", "has no 'model'"},
      {"no_args", "has no 'model_args'"},
      {"no_width", "model_args: key 'n_embd' is missing"},
      {"text_width", "model_args['n_embd']: expected an integer, found the text '4'"},
      {"heads", "3 heads and a width of 4 make no GPT-2"},
      {"huge", "model_args['n_layer']: expected a size"},
      {"lacking", "model['transformer.ln_f.weight']: is missing"},
      {"extra", "model['transformer.x']: nanoGPT's model has no such tensor"},
      {"shape", "model['transformer.wpe.weight']: is [3, 4], model_args says [2, 4]"},
      {"untied", "model['lm_head.weight']: is not the token embedding"},
      {"integers", "expected floating-point values, found I64"},
      {"number", "expected a tensor, found the integer 3"},
      {"groups", "expected two groups of 6 and 3 tensors"},
      {"moments", "state[0] (transformer.wte.weight).exp_avg: is [2], expected [6, 4]"},
      {"no_state", "state[8] (transformer.ln_f.weight): is missing"},
      {"no_optimizer", "key 'optimizer' is missing"},
      {"iteration", "iter_num: expected an integer"},
      {"loss", "best_val_loss: is no single number"},
  };
  for (const auto& [name, message] : cases) {
    const std::string text = error(name);
    EXPECT_NE(text.find(message), std::string::npos) << name << ": " << text;
    EXPECT_NE(text.find(name + ".pt"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace gpt
