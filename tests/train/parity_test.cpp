// Whole runs of nanoGPT in PyTorch, replayed: weights, batches, losses and evaluations.
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpt/data/batch_sampler.h"

#include "support/golden.h"
#include "support/golden_config.h"
#include "support/tiny_run.h"

namespace gpt {
namespace {

using testing::golden_config;
using testing::read_golden;
using testing::TempDir;
using testing::TinyRun;

// The golden losses were printed by another CPU perhaps: 4 decimals, and half a unit of the 5th.
constexpr double kFourDecimals = 5e-6 + 5e-5;

std::vector<nlohmann::json> metrics_lines(const TrainConfig& config, const std::string& event) {
  std::vector<nlohmann::json> lines;
  std::ifstream file(fs::path(config.io.out_dir) / "metrics.jsonl");
  for (std::string line; std::getline(file, line);)
    if (auto json = nlohmann::json::parse(line); json.at("event") == event) lines.push_back(json);
  return lines;
}

class Parity : public ::testing::TestWithParam<bool> {};  // compile

void replay(const std::string& file, bool compile, std::int64_t micro_batch) {
  const auto golden = nlohmann::json::parse(read_golden(file));
  const TempDir dir;
  TrainConfig config = golden_config(dir, golden);
  config.system.compile = compile;
  if (micro_batch > 0) config.data.micro_batch_size.value = micro_batch;
  TinyRun run(config);
  testing::expect_fingerprints(run.model.parameters(), golden.at("initial_weights"), 1e-6);

  ASSERT_EQ(run.go(), kExitDone);
  const auto& iterations = golden.at("iterations");
  const auto trained = metrics_lines(config, "train");
  ASSERT_EQ(trained.size(), iterations.size());
  for (std::size_t i = 0; i < trained.size(); ++i) {
    EXPECT_EQ(trained[i].at("iter"), iterations[i].at("iter"));
    for (const char* key : {"loss", "mean_loss"})
      EXPECT_NEAR(trained[i].at(key).get<double>(), iterations[i].at(key).get<double>(),
                  kFourDecimals)
          << key << " of iteration " << i;
    EXPECT_NEAR(trained[i].at("grad_norm").get<double>(),
                iterations[i].at("grad_norm").get<double>(), 1e-3);
    EXPECT_DOUBLE_EQ(trained[i].at("lr").get<double>(), iterations[i].at("lr").get<double>());
  }
  const auto& evaluations = golden.at("evaluations");
  const auto evaluated = metrics_lines(config, "eval");
  ASSERT_EQ(evaluated.size(), evaluations.size());
  for (std::size_t i = 0; i < evaluated.size(); ++i) {
    EXPECT_NEAR(evaluated[i].at("train/loss").get<double>(),
                evaluations[i].at("train").get<double>(), kFourDecimals);
    EXPECT_NEAR(evaluated[i].at("val/loss").get<double>(), evaluations[i].at("val").get<double>(),
                kFourDecimals);
  }
  // Norms only: the key's bias has no gradient but rounding, and AdamW makes steps of that.
  const auto& final_weights = golden.at("final_weights");
  ASSERT_EQ(run.model.parameters().size(), final_weights.size());
  for (std::size_t i = 0; i < final_weights.size(); ++i)
    EXPECT_NEAR(run.model.parameters()[i].tensor.norm().item<double>(),
                final_weights[i].at("norm").get<double>(), 1e-4)
        << run.model.parameters()[i].name;
}

TEST_P(Parity, ShortRunEqualsNanoGpt) {
  replay("short_run.json", GetParam(), 0);
}
TEST_P(Parity, AccumulatedRunWithBiasEqualsNanoGpt) {
  replay("short_run_accumulated.json", GetParam(), 0);
}
TEST_P(Parity, AndWithAnotherSplit) {
  replay("short_run_accumulated.json", GetParam(), 5);
}
INSTANTIATE_TEST_SUITE_P(Engines, Parity, ::testing::Bool(), [](const auto& test) {
  return test.param ? std::string("fused") : std::string("eager");
});

TEST(ParityOfDraws, AreNanoGptsFromTheStart) {
  const auto golden = nlohmann::json::parse(read_golden("short_run_accumulated.json"));
  const TempDir dir;
  const TrainConfig config = golden_config(dir, golden);
  TinyRun run(config);
  // The generator now stands where nanoGPT's does after its model and first batch.
  std::size_t draw = 0;
  const auto expected = [&] {
    return golden.at("first_draws")[draw++].at("offsets").get<std::vector<std::int64_t>>();
  };
  EXPECT_EQ(run.batches.position().pending, expected());
  BatchSampler sampler(run.generator);
  for (const TokenFile* split : {&run.dataset.train.front().tokens, &run.dataset.val}) {
    for (int i = 0; i < 3; ++i) {
      const at::Tensor offsets = sampler.draw(split->size(), 16, 4);
      const std::int64_t* data = offsets.const_data_ptr<std::int64_t>();
      EXPECT_EQ(std::vector<std::int64_t>(data, data + 4), expected()) << "draw " << draw;
    }
  }
}

}  // namespace
}  // namespace gpt
