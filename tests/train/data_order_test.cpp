// In which order a run sees its data, and where from: the same whatever stops it or splits it.
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpt/base/files.h"
#include "gpt/train/run_start.h"

#include "support/ranks.h"
#include "support/tensor_near.h"
#include "support/tiny_run.h"

namespace gpt {
namespace {

using nlohmann::json;
using testing::TempDir;
using testing::tiny_config;
using testing::TinyRun;

// 21 and 13 windows and a bit.
TrainConfig mixture_config(const TempDir& dir, const char* order) {
  TrainConfig config = tiny_config(dir);
  dir.write_tokens("web/a.bin", testing::made_up_tokens(0, 300));
  dir.write_tokens("web/b.bin", testing::made_up_tokens(300, 350));
  dir.write_tokens("code/a.bin", testing::made_up_tokens(400, 620));
  config.data.data_order = order;
  config.data.train_files =
      "3:" + (dir / "web/*.bin").string() + ",1:" + (dir / "code/a.bin").string();
  config.data.val_files = (dir / "tokens/val.bin").string();
  config.model.dropout = 0.1;
  return config;
}

TrainConfig shuffle_config(const TempDir& dir) {
  TrainConfig config = tiny_config(dir);
  dir.write_tokens("tokens/train.bin", testing::made_up_tokens(0, 333));
  config.data.data_order = "shuffle";
  return config;
}

std::vector<Window> windows_of(TinyRun& run, std::int64_t steps) {
  std::vector<Window> all;
  for (std::int64_t i = 0; i < steps; ++i) {
    run.trainer.iterate();
    all.insert(all.end(), run.batches.windows().begin(), run.batches.windows().end());
  }
  return all;
}

std::vector<Window> in_order(const TrainConfig& config, std::size_t count) {
  const Dataset dataset = open_dataset(config);
  const WindowOrder order(config.data.data_order, config.system.seed, config.data.block_size,
                          source_sizes(dataset));
  WindowOrder::Counts taken(dataset.train.size());
  std::vector<Window> all;
  while (all.size() < count) all.push_back(order.next(taken));
  return all;
}

std::vector<json> records(const TrainConfig& config, const std::string& event) {
  std::vector<json> found;
  std::istringstream lines(read_file(fs::path(config.io.out_dir) / "metrics.jsonl"));
  for (std::string line; std::getline(lines, line);)
    if (json record = json::parse(line); record.at("event") == event) found.push_back(record);
  return found;
}

std::vector<double> mean_losses(const TrainConfig& config) {
  std::vector<double> losses;
  for (const json& record : records(config, "train")) losses.push_back(record.at("mean_loss"));
  return losses;
}

TEST(DataOrder, StepsTakeTheOrdersWindowsWhateverEvaluationsDo) {
  for (const std::int64_t interval : {0, 1, 4}) {
    const TempDir dir;
    TrainConfig config = shuffle_config(dir);
    config.io.eval_interval = interval;
    config.data.batch_size = 3;
    config.optimizer.max_iters = 29;
    TinyRun run(config);
    std::vector<Window> seen;
    run.trainer.train_step().after_backward = [&] {
      seen.insert(seen.end(), run.batches.windows().begin(), run.batches.windows().end());
    };
    EXPECT_EQ(run.go(), kExitDone);
    EXPECT_EQ(seen, in_order(config, 90)) << interval;
  }
}

// What is cut from the files is what windows() names, of several files in one batch.
TEST(DataOrder, BatchesHoldTheWindowsOfTheirSources) {
  const TempDir dir;
  const TrainConfig config = mixture_config(dir, "shuffle");
  TinyRun run(config);
  std::set<std::int64_t> sources;
  for (int step = 0; step < 5; ++step) {
    run.batches.begin_step(/*evaluation_follows=*/false);
    if (step == 2) {
      run.batches.take();
      run.batches.restart_step(3);
      run.batches.begin_step(false);
    }
    std::vector<at::Tensor> x, y;
    for (std::int64_t micro = 0; micro < run.batches.micro_batches(); ++micro) {
      const Batch batch = run.batches.take();
      x.push_back(batch.x_BT);
      y.push_back(batch.y_BT);
    }
    const at::Tensor x_BT = at::cat(x), y_BT = at::cat(y);
    const std::vector<Window> windows = run.batches.windows();
    ASSERT_EQ(windows.size(), 4u);
    for (std::size_t row = 0; row < windows.size(); ++row) {
      sources.insert(windows[row].source);
      const at::Tensor tokens = at::empty({17}, at::kLong);
      run.dataset.train[static_cast<std::size_t>(windows[row].source)].tokens.copy(
          windows[row].offset, 17, tokens.mutable_data_ptr<std::int64_t>());
      const auto at_row = static_cast<std::int64_t>(row);
      EXPECT_TRUE(at::equal(x_BT[at_row], tokens.narrow(0, 0, 16)));
      EXPECT_TRUE(at::equal(y_BT[at_row], tokens.narrow(0, 1, 16)));
    }
    run.batches.finish_step();
    EXPECT_EQ(run.batches.windows(), windows);
  }
  EXPECT_EQ(sources.size(), 2u);
}

struct Outcome {
  std::uint32_t checksum;
  std::vector<double> losses;
};

Outcome trained(const std::string& order, std::int64_t stop) {
  const TempDir dir;
  TrainConfig config = mixture_config(dir, order.c_str());
  config.optimizer.max_iters = 44;
  if (stop > 0) {
    TrainConfig early = config;
    early.optimizer.max_iters = stop - 1;
    EXPECT_EQ(TinyRun(early).go(), kExitDone);
    const auto run = TinyRun::resumed(config, *CheckpointStore(config.io.out_dir, 2).newest_good());
    EXPECT_EQ(run->go(), kExitDone);
    return {run->checksum(), mean_losses(config)};
  }
  TinyRun run(config);
  EXPECT_EQ(run.go(), kExitDone);
  return {run.checksum(), mean_losses(config)};
}

TEST(DataOrder, AResumedRunContinuesBitwise) {
  for (const char* order : {"random", "shuffle", "sequential"}) {
    const Outcome whole = trained(order, 0);
    ASSERT_EQ(whole.losses.size(), 45u);
    for (const std::int64_t stop : {1, 20, 33}) {
      const Outcome parts = trained(order, stop);
      EXPECT_EQ(parts.losses, whole.losses) << order << " " << stop;
      EXPECT_EQ(parts.checksum, whole.checksum) << order << " " << stop;
    }
  }
}

TEST(DataOrder, AResumedRunMayHaveOtherBatches) {
  const TempDir dir;
  TrainConfig config = mixture_config(dir, "shuffle");
  config.optimizer.max_iters = 4;
  TinyRun(config).go();  // 5 steps of 4 sequences
  config.optimizer.max_iters = 60;
  config.data.batch_size = 3;
  config.data.gradient_accumulation_steps = 2;
  const auto run = TinyRun::resumed(config, *CheckpointStore(config.io.out_dir, 2).newest_good());
  const auto all = in_order(config, 20 + 7 * 6);
  EXPECT_EQ(windows_of(*run, 7), (std::vector<Window>(all.begin() + 20, all.end())));
}

TEST(DataOrder, AnotherOrderOrDatasetBeginsAtItsBeginning) {
  const TempDir dir;
  TrainConfig config = shuffle_config(dir);
  config.optimizer.max_iters = 3;
  TinyRun(config).go();
  const auto checkpoint = *CheckpointStore(config.io.out_dir, 2).newest_good();
  EXPECT_EQ(checkpoint.manifest.windows_taken, (std::vector<std::int64_t>{16}));
  EXPECT_EQ(checkpoint.manifest.source_tokens, (std::vector<std::int64_t>{333}));
  EXPECT_TRUE(checkpoint.manifest.pending_offsets.empty());
  config.optimizer.max_iters = 60;
  TrainConfig smaller = config;
  smaller.data.block_size = 5;
  EXPECT_EQ(usable_position(checkpoint, smaller, open_dataset(smaller)).taken,
            (std::vector<std::int64_t>{52}));  // 256 tokens, rounded up
  config.data.data_order = "sequential";
  EXPECT_EQ(windows_of(*TinyRun::resumed(config, checkpoint), 2), in_order(config, 8));
  config.data.data_order = "shuffle";
  dir.write_tokens("tokens/train.bin", testing::made_up_tokens(0, 444));
  EXPECT_EQ(windows_of(*TinyRun::resumed(config, checkpoint), 2), in_order(config, 8));
}

TEST(DataOrder, ProcessesShareTheSequencesOfOneOrder) {
  const TempDir dir;
  TrainConfig config = mixture_config(dir, "shuffle");
  config.data.batch_size = 5;
  config.io.eval_interval = 3;
  config.optimizer.max_iters = 6;
  TinyRun one(config);
  one.go();
  const std::vector<double> expected = mean_losses(config);
  const double val = records(config, "eval").back().at("val/loss");
  const auto errors = testing::run_ranks(2, [&](ProcessGroup& group) {
    TrainConfig mine = config;
    mine.io.out_dir = (dir / ("rank" + std::to_string(group.rank()))).string();
    TinyRun run(mine, {}, {at::kCPU, at::kFloat}, group);
    run.go();
    if (!group.is_first()) return;
    const std::vector<double> actual = mean_losses(mine);
    ASSERT_EQ(actual.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 1e-4);
    EXPECT_NEAR(records(mine, "eval").back().at("val/loss"), val, 1e-4);
  });
  EXPECT_EQ(errors, (std::vector<std::string>{"", ""}));
}

TEST(DataOrder, EpochsAndSourcesAreReported) {
  const TempDir dir;
  TrainConfig config = mixture_config(dir, "sequential");
  config.optimizer.max_iters = 59;
  config.io.log_interval = 1;
  TinyRun(config).go();
  const json last = records(config, "train").back();
  const std::int64_t web = last.at("tokens/web"), code = last.at("tokens/code");
  EXPECT_EQ(web + code, 60 * 4 * 16);
  EXPECT_NEAR(static_cast<double>(web) / static_cast<double>(web + code), 0.75, 0.1);
  EXPECT_DOUBLE_EQ(last.at("epoch/web"), static_cast<double>(web / 16) / 21);
  EXPECT_DOUBLE_EQ(last.at("epoch/code"), static_cast<double>(code / 16) / 13);
  EXPECT_NEAR(last.at("epoch"), static_cast<double>(web + code) / (16 * (21 + 13)), 1e-9);
  EXPECT_EQ(records(config, "end").back().at("tokens/web"), web);

  const TempDir other;
  const TrainConfig plain = tiny_config(other);
  TinyRun(plain).go();
  EXPECT_DOUBLE_EQ(records(plain, "train").back().at("epoch"), 61.0 * 4 * 16 / 20000);
}

// By either engine, in any split, and in evaluations.
TEST(DataOrder, DocumentsAreKeptApart) {
  const auto losses = [](bool mask, bool compile, std::int64_t micro) {
    const TempDir dir;
    TrainConfig config = tiny_config(dir);
    config.model.vocab_size.value = 50257;
    config.data.document_mask = mask;
    config.data.micro_batch_size.value = micro;
    config.system.compile = compile;
    config.optimizer.max_iters = 4;
    config.io.eval_interval = 4;
    for (const char* split : {"train", "val"}) {
      auto tokens = testing::made_up_tokens(0, 400);
      for (std::size_t i = 0; i < tokens.size(); i += 7) tokens[i] = 50256;
      dir.write_tokens(std::string("tokens/") + split + ".bin", tokens);
    }
    TinyRun(config).go();
    std::vector<double> all = mean_losses(config);
    all.push_back(records(config, "eval").back().at("val/loss"));
    return at::tensor(all, at::kDouble);
  };
  const at::Tensor eager = losses(true, false, 4);
  EXPECT_TRUE(testing::near(losses(true, true, 4), eager, 1e-5));
  EXPECT_TRUE(testing::near(losses(true, true, 1), eager, 1e-5));
  EXPECT_FALSE(testing::near(losses(false, true, 4), eager, 1e-5));
}

}  // namespace
}  // namespace gpt
