#include "gpt/interop/torch_checkpoint.h"

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

class TorchCheckpoints : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string python = testing::venv_python();
    if (python.empty()) GTEST_SKIP() << "no PyTorch in the cache folder; scripts/setup installs it";
    const auto made =
        testing::run_python(python, "tests/interop/torch_checkpoints.py", {dir.path()});
    ASSERT_EQ(made.code, 0) << made.out;
  }
  TorchCheckpoint open(const std::string& name, const SourceHints& hints = {}) {
    return TorchCheckpoint(dir / (name + ".pt"), hints);
  }
  std::string error(const std::string& name) {
    return error_text([&] { open(name).check_optimizer(); });
  }
  const TempDir dir;
};

TEST_F(TorchCheckpoints, AreReadWhole) {
  const TorchCheckpoint file = open("whole");
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

TEST_F(TorchCheckpoints, OfOtherTypesAndTimesAreRead) {
  const TorchCheckpoint whole = open("whole"), half = open("half"), old = open("old_style");
  const std::string name = "transformer.h.0.mlp.c_fc.weight";
  EXPECT_EQ(half.weight(name).scalar_type(), at::kFloat);
  EXPECT_TRUE(at::equal(half.weight(name), whole.weight(name).to(at::kBFloat16).to(at::kFloat)));
  EXPECT_TRUE(at::equal(old.weight(name), whole.weight(name)));
  EXPECT_EQ(old.optimizer_state(name).step.item<double>(), 5);
  EXPECT_EQ(old.best_val_loss(), 1.25);
  EXPECT_EQ(error("unstepped"), "");
  EXPECT_EQ(open("unstepped").optimizer_state(name).exp_avg.abs().max().item<double>(), 0);
}

TEST_F(TorchCheckpoints, ThatAreBrokenSayWhere) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"no_model",
       "holds no weights of a GPT-2 (no tensor transformer.wte.weight), but a dict of "
       "'optimizer', 'model_args', "},
      {"no_args",
       "does not say how many attention heads it has, and its width of 4 is no multiple "
       "of GPT-2's 64 columns a head; say it with --n_head=N"},
      {"no_heads", "say it with --n_head=N"},
      {"twice", "comes twice"},
      {"two_models", "holds two models, 'transformer.' and 'ema.transformer.'"},
      {"adapter", "is a part of a LoRA adapter"},
      {"optimizer_only", "is the state of an optimizer"},
      {"text_width", "model_args['n_embd']: expected an integer, found the text '4'"},
      {"heads", "3 heads and a width of 4 make no GPT-2"},
      {"huge", "model_args['n_layer']: is 1099511627776, but its tensors are of 1"},
      {"lacking", "model['transformer.ln_f.weight']: is missing"},
      {"extra", "model['transformer.x']: is none of the tensors of a GPT-2 of 1 layers"},
      {"shape", "model_args['block_size']: is 2, but its tensors are of 3"},
      {"untied", "model['lm_head.weight']: is not the token embedding"},
      {"integers", "expected floating-point values, found I64"},
      {"number", "model['transformer.ln_f.weight']: is missing"},
      {"groups",
       "expected two groups of 6 and 3 tensors, as nanoGPT's configure_optimizers makes "
       "them, or one of all, found 1, 1, 1, 1, 1, 1, 1, 1, 1; `gpttrain import"},
      {"sgd", "(transformer.wte.weight): key 'exp_avg' is missing; `gpttrain import"},
      {"moments", "state[0] (transformer.wte.weight).exp_avg: is [2], expected [6, 4]"},
      {"no_state", "state[8] (transformer.ln_f.weight): is missing"},
      {"no_optimizer", "has no optimizer; `gpttrain import"},
      {"empty_optimizer", "has no optimizer; `gpttrain import"},
      {"empty_list", "has no optimizer; `gpttrain import"},
      {"iteration", "iter_num: expected an integer"},
      {"loss", "best_val_loss: is no single number"},
  };
  for (const auto& [name, message] : cases) {
    const std::string text = error(name);
    EXPECT_NE(text.find(message), std::string::npos) << name << ": " << text;
    EXPECT_NE(text.find(name + ".pt"), std::string::npos) << text;
  }
}

// The file holds the weights and the optimizer of `whole`, with these prefixes and groups.
void expect_same(const TorchCheckpoint& whole, const TorchCheckpoint& file, bool optimizer) {
  for (const ParameterShape& parameter : parameter_table(whole.shape())) {
    const std::string& name = parameter.name;
    EXPECT_TRUE(at::equal(file.weight(name), whole.weight(name))) << file.origin() << " " << name;
    if (!optimizer) continue;
    const auto wanted = whole.optimizer_state(name), found = file.optimizer_state(name);
    EXPECT_TRUE(at::equal(found.exp_avg, wanted.exp_avg)) << file.origin() << " " << name;
    EXPECT_TRUE(at::equal(found.exp_avg_sq, wanted.exp_avg_sq)) << file.origin() << " " << name;
    EXPECT_EQ(found.step.item<double>(), wanted.step.item<double>())
        << file.origin() << " " << name;
  }
}

TEST_F(TorchCheckpoints, WrappersAndOptimizersOfEveryKindAreTheSameRun) {
  const TorchCheckpoint whole = open("whole");
  for (const char* name : {"compiled", "compiled_ddp", "ddp_compiled", "fsdp_deep", "lightning",
                           "no_transformer", "head_apart", "one_group", "named", "old_groups",
                           "odd_values", "before_1_6", "only_heads", "tensor_step"}) {
    const TorchCheckpoint file = open(name);
    EXPECT_EQ(error(name), "");
    EXPECT_EQ(file.iteration(), 5) << name;
    EXPECT_EQ(file.shape().config.n_head, 2) << name;
    expect_same(whole, file, /*optimizer=*/true);
  }
  EXPECT_EQ(open("tensor_step").best_val_loss(), 2);
}

TEST_F(TorchCheckpoints, OfOtherLayoutsHaveTheShapeOfTheirTensors) {
  const TorchCheckpoint whole = open("whole");
  const SourceHints heads{.n_head = 2, .gelu = ""};
  for (const char* name : {"bare", "tutorial", "module", "module_before_1_6", "conv1d"}) {
    const TorchCheckpoint file = open(name, heads);
    const ModelShape& shape = file.shape();
    EXPECT_EQ(shape.config.n_layer, 1) << name;
    EXPECT_EQ(shape.config.n_embd, 4) << name;
    EXPECT_EQ(shape.config.n_head, 2) << name;
    EXPECT_EQ(shape.block_size, 3) << name;
    EXPECT_EQ(shape.vocab_size, 6) << name;
    EXPECT_FALSE(shape.config.bias) << name;
    EXPECT_EQ(shape.config.gelu, std::string(name) == "conv1d" ? "tanh" : "exact") << name;
    expect_same(whole, file, /*optimizer=*/std::string(name) == "tutorial");
  }
  EXPECT_EQ(open("bare", {.n_head = 2, .gelu = "tanh"}).shape().config.gelu, "tanh");
  EXPECT_EQ(open("tutorial", heads).iteration(), 0);
  EXPECT_NE(error_text([&] { open("bare", {.n_head = 3, .gelu = ""}); }).find("does not divide 4"),
            std::string::npos);

  const TorchCheckpoint built = open("build_nanogpt");
  EXPECT_EQ(built.shape().config.n_head, 2);
  EXPECT_EQ(built.shape().config.gelu, "tanh");
  EXPECT_EQ(built.iteration(), 19072);
  EXPECT_EQ(built.best_val_loss(), 3.06);
  EXPECT_FALSE(built.has_optimizer());
  // A width of GPT-2's kind needs no hint.
  EXPECT_EQ(settled_heads(0, 768, {}, "x"), 12);
  EXPECT_EQ(settled_heads(6, 768, {.n_head = 12, .gelu = ""}, "x"), 6);
}

TEST_F(TorchCheckpoints, NanIsNamedWhereWeightsAreLoaded) {
  const TorchCheckpoint file = open("nan");
  ParameterList parameters;
  for (const ParameterShape& parameter : parameter_table(file.shape()))
    parameters.push_back({parameter.name, at::empty(parameter.shape)});
  EXPECT_NE(error_text([&] {
              load_weights(file, parameters);
            }).find("nan.pt: transformer.h.0.mlp.c_fc.weight: 1 of 64 value(s) are NaN"),
            std::string::npos);
}

}  // namespace
}  // namespace gpt
