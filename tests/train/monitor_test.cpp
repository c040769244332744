// Tasks, samples and statistics of a run, which change nothing of it.
#include "gpt/train/monitor.h"

#include <csignal>
#include <map>
#include <mutex>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpt/base/files.h"
#include "gpt/base/strings.h"
#include "gpt/device/cpu_memory.h"
#include "gpt/memory/step_table.h"
#include "gpt/text/tokenizer_files.h"

#include "support/error_text.h"
#include "support/ranks.h"
#include "support/thread_count.h"
#include "support/tiny_run.h"
#include "support/without_onednn.h"

namespace gpt {
namespace {

using nlohmann::json;
using testing::error_text;
using testing::run_ranks;
using testing::TempDir;
using testing::tiny_config;
using testing::TinyRun;

// The made-up tokens as characters from the space on.
TrainConfig readable_config(const TempDir& dir) {
  const TrainConfig config = tiny_config(dir);
  json meta{{"format", "gpttrain-meta"}, {"version", 1}, {"tokenizer", "char"}, {"vocab_size", 61}};
  for (int i = 0; i < 61; ++i) meta["itos"].push_back(std::string(1, static_cast<char>(' ' + i)));
  dir.write("tokens/meta.json", meta.dump());
  return config;
}

std::vector<json> events(const TrainConfig& config, const std::string& name) {
  std::vector<json> found;
  std::istringstream file(read_file(fs::path(config.io.out_dir) / "metrics.jsonl"));
  for (std::string line; std::getline(file, line);)
    if (auto event = json::parse(line); event.at("event") == name) {
      event.erase("time");
      found.push_back(event);
    }
  return found;
}

std::vector<double> losses(const TrainConfig& config) {
  std::vector<double> all;
  for (const json& event : events(config, "train"))
    all.push_back(event.at("mean_loss").get<double>());
  for (const json& event : events(config, "eval"))
    all.push_back(event.at("val/loss").get<double>());
  return all;
}

void add_files(const TempDir& dir, TrainConfig& config) {
  dir.write("hella.jsonl", R"({"ctx": "ABC", "label": 1, "endings": ["DE", "AAAA", "F", "GHI"]})"
                           "\n"
                           R"({"ctx": "012345", "label": 0, "endings": ["678", "9"]})");
  dir.write("words.jsonl", R"({"text": "@@@@ ABC"})");
  dir.write("text.txt", "ABCDEFGHIJKLMNOPQRSTUVW0123456789ABCDEFGHI");
  config.monitor.task_files =
      concat((dir / "hella.jsonl").string(), ",", (dir / "words.jsonl").string(), ",",
             (dir / "text.txt").string(), ",", (dir / "tokens/val.bin").string());
  config.monitor.task_limit = 3;
}

void add_all(const TempDir& dir, TrainConfig& config) {
  add_files(dir, config);
  config.monitor.sample_interval = 7;
  config.monitor.sample_tokens = 24;  // beyond block_size
  config.monitor.sample_prompts = "AB";
  config.monitor.stats_interval = 3;
}

class Untouched : public ::testing::TestWithParam<bool> {};  // compile

TEST_P(Untouched, LossesAndWeightsAreTheSameBitsWithTasksSamplesAndStatistics) {
  std::vector<std::vector<double>> of;
  std::vector<std::uint32_t> checksums;
  for (const bool watched : {false, true}) {
    const TempDir dir;
    TrainConfig config = readable_config(dir);
    config.system.compile = GetParam();
    config.model.dropout = 0.1;
    config.data.gradient_accumulation_steps = 2;
    config.data.micro_batch_size.value = 3;
    config.optimizer.max_iters = 25;
    if (watched) add_all(dir, config);
    TinyRun run(config);
    EXPECT_EQ(run.go(), kExitDone);
    of.push_back(losses(config));
    checksums.push_back(run.checksum());
    // At 0 and 20, and at 26, the end.
    EXPECT_EQ(events(config, "task").size(), watched ? 12u : 0u);
    EXPECT_EQ(events(config, "sample").size(), watched ? 5u : 0u);
    EXPECT_EQ(events(config, "stats").size(), watched ? 9u : 0u);
  }
  ASSERT_EQ(of[0].size(), 28u);
  EXPECT_EQ(of[0], of[1]);
  EXPECT_EQ(checksums[0], checksums[1]);
}

INSTANTIATE_TEST_SUITE_P(Engines, Untouched, ::testing::Values(false, true));

TEST(Monitor, NamesOfTasksAreShortUniqueAndTheSameInAnyOrder) {
  EXPECT_EQ(task_names({"/a/x.jsonl", "/a/y.bin"}), (std::vector<std::string>{"x", "y"}));
  const auto ab = task_names({"/a/val.bin", "/a/val.jsonl", "/b/val.bin", "/c/t.txt"});
  EXPECT_EQ(ab, (std::vector<std::string>{"a_val.bin", "val.jsonl", "b_val.bin", "t"}));
  EXPECT_EQ(task_names({"/c/t.txt", "/b/val.bin", "/a/val.jsonl", "/a/val.bin"}),
            (std::vector<std::string>{"t", "b_val.bin", "val.jsonl", "a_val.bin"}));
  EXPECT_EQ(task_names({"/a/a b,c.txt"}).front(), "a_b_c");
}

// `spoil` changes a config that would do.
std::string refusal(const std::function<void(const TempDir&, TrainConfig&)>& spoil) {
  const TempDir dir;
  TrainConfig config = readable_config(dir);
  config.monitor.sample_prompts = "AB";
  spoil(dir, config);
  return error_text([&] { TinyRun run(config); });
}

TEST(Monitor, WhatIsWrongWithFilesAndPromptsIsSaidBeforeTheFirstStep) {
  const auto with_file = [](const std::string& name, const std::string& text) {
    return refusal([&](const TempDir& dir, TrainConfig& config) {
      dir.write(name, text);
      config.monitor.task_files = (dir / name).string();
    });
  };
  const auto says = [](const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  EXPECT_EQ(refusal([](const TempDir& dir, TrainConfig& config) { add_all(dir, config); }), "");
  says(with_file("h.jsonl", R"({"ctx": "A", "label": 0, "endings": ["B"]})"
                            "\n{"),
       "h.jsonl:2: not valid JSON");
  says(with_file("h.jsonl", R"({"ctx": "A", "label": 0, "endings": ["BBBBBBBBBBBBBBBBB"]})"),
       "h.jsonl: example 1: an ending of 18 tokens does not fit the model's 16 tokens");
  says(with_file("o.jsonl", R"({"other": 1})"), "o.jsonl: which task is this?");
  says(with_file("t.txt", "z"), "t.txt: character 1 is 'z'");
  says(with_file("t.txt", "A"), "t.txt: has 1 token(s)");
  says(refusal([](const TempDir&, TrainConfig& config) { config.monitor.task_files = "/no,such"; }),
       "task_files: /no,such: no such file; expected");
  says(refusal([](const TempDir& dir, TrainConfig& config) {
         const std::string file = dir.write("t.txt", "AB");
         config.monitor.task_files = file + "," + file;
       }),
       "is named twice");
  const auto samples = [](const std::string& prompts) {
    return refusal([&](const TempDir&, TrainConfig& config) {
      config.monitor.sample_interval = 5;
      config.monitor.sample_prompts = prompts;
    });
  };
  says(samples("Az"), "sample_prompts: character 2 is 'z'");
  says(samples(""), "the prompt is empty");
  says(samples("FILE:/no/such"), "/no/such");
  says(refusal([](const TempDir& dir, TrainConfig& config) {
         config.monitor.sample_interval = 5;
         fs::remove(dir / "tokens/meta.json");
       }),
       "need the dataset's tokenizer, but there is no meta.json");
}

TEST(Monitor, PromptsAreTheLinesOfAFile) {
  const TempDir dir;
  const std::string file = dir.write("p.txt", "one\r\n\ntwo\n");
  EXPECT_EQ(prompts_of("FILE:" + file), (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(prompts_of("a\nb"), (std::vector<std::string>{"a\nb"}));
  std::string many;
  for (int i = 0; i < 101; ++i) many += "x\n";
  const std::string too_many = dir.write("m.txt", many);
  EXPECT_NE(error_text([&] { prompts_of("FILE:" + too_many); }).find("keep at most 100"),
            std::string::npos);
}

TEST(Monitor, SamplesAreOfSeedAndStepAlone) {
  const TempDir dir;
  TrainConfig config = readable_config(dir);
  TinyRun run(config);
  config.monitor.sample_prompts = "FILE:" + dir.write("p.txt", "AB\nAB\n").string();
  config.monitor.sample_tokens = 40;
  const auto tokenizer = [&] { return tokenizer_of_meta(read_file(dir / "tokens/meta.json"), ""); };
  const Decoder decoder(run.model.parameters(), config.model, run.compute);
  const auto goes_on = [] { return true; };
  const PromptSamples samples(config, tokenizer());
  const auto first = samples.draw(decoder, 7, goes_on);
  ASSERT_EQ(first.size(), 2u);
  EXPECT_EQ(first[0].text.size(), 40u);
  EXPECT_NE(first[0].text, first[1].text);  // a prompt's number counts, too
  EXPECT_EQ(PromptSamples(config, tokenizer()).draw(decoder, 7, goes_on)[1].text, first[1].text);
  EXPECT_NE(samples.draw(decoder, 8, goes_on)[0].text, first[0].text);
  config.system.seed += 1;
  EXPECT_NE(PromptSamples(config, tokenizer()).draw(decoder, 7, goes_on)[0].text, first[0].text);
}

// 20 is due for tasks and for an evaluation, 14 and 21 for samples.
TEST(Monitor, AResumedRunReportsWhatTheWholeOneDoesAndNothingTwice) {
  std::vector<std::vector<json>> tasks, samples;
  for (const std::int64_t stop : {0, 14, 20, 21}) {
    const TempDir dir;
    TrainConfig config = readable_config(dir);
    config.optimizer.max_iters = 22;
    add_all(dir, config);
    config.monitor.task_files = (dir / "text.txt").string();
    if (stop > 0) {
      TinyRun early(config);
      std::int64_t steps = 0;
      early.trainer.train_step().after_backward = [&] {
        if (++steps == stop) raise(SIGTERM);
      };
      EXPECT_EQ(early.go(), kExitStopped);
      const auto checkpoint = CheckpointStore(config.io.out_dir, 2).newest_good();
      ASSERT_TRUE(checkpoint);
      EXPECT_EQ(checkpoint->step, stop);
      EXPECT_EQ(TinyRun::resumed(config, *checkpoint)->go(), kExitDone);
    } else {
      EXPECT_EQ(TinyRun(config).go(), kExitDone);
    }
    tasks.push_back(events(config, "task"));
    samples.push_back(events(config, "sample"));
    EXPECT_EQ(events(config, "stats").size(), 8u) << stop;
  }
  EXPECT_EQ(tasks[0].size(), 3u);    // 0, 20, and 23, the end
  EXPECT_EQ(samples[0].size(), 5u);  // 0, 7, 14, 21, 23
  for (std::size_t i = 1; i < tasks.size(); ++i) {
    EXPECT_EQ(tasks[i], tasks[0]);
    EXPECT_EQ(samples[i], samples[0]);
  }
}

// Of a checkpoint that was saved after them, too.
TEST(Monitor, WhatWasReportedAtTheStepOfACheckpointIsNotRepeated) {
  const TempDir dir;
  TrainConfig config = readable_config(dir);
  add_all(dir, config);
  config.monitor.task_files = (dir / "text.txt").string();
  config.monitor.sample_interval = 20;
  config.optimizer.max_iters = 20;
  { EXPECT_EQ(TinyRun(config).go(), kExitDone); }
  const auto list = CheckpointStore(config.io.out_dir, 2).list();
  const auto at_20 = std::find_if(list.begin(), list.end(),
                                  [](const CheckpointInfo& info) { return info.step == 20; });
  ASSERT_NE(at_20, list.end());
  ASSERT_EQ(events(config, "task").size(), 2u);
  EXPECT_EQ(at_20->manifest.last_task_step, 20);
  EXPECT_EQ(TinyRun::resumed(config, *at_20)->go(), kExitDone);
  EXPECT_EQ(events(config, "task").size(), 2u);
  EXPECT_EQ(events(config, "sample").size(), 2u);
}

TEST(Monitor, AStopSignalEndsItAndNothingOfItIsReported) {
  const TempDir dir;
  TrainConfig config = readable_config(dir);
  add_all(dir, config);
  TinyRun run(config);
  Manifest state;
  int asked = 0;
  const auto signal = [&] { return ++asked < 6 ? 0 : SIGTERM; };
  EXPECT_EQ(run.monitor.look(state, false, 1, 64, signal), SIGTERM);
  EXPECT_LE(asked, 7);
  EXPECT_EQ(state.last_task_step, -1);
  EXPECT_TRUE(events(config, "task").empty());
  EXPECT_TRUE(run.monitor.due(state, false));
  EXPECT_EQ(run.monitor.look(state, false, 1, 64, [] { return 0; }), 0);
  EXPECT_EQ(events(config, "task").size(), 4u);
  EXPECT_FALSE(run.monitor.due(state, false));
}

TEST(Monitor, TextsAtATimeChangeNothing) {
  const TempDir dir;
  TrainConfig config = readable_config(dir);
  add_files(dir, config);
  config.monitor.task_limit = 0;
  TinyRun run(config);
  for (const std::int64_t texts : {1, 3, 64}) {
    Manifest state;
    EXPECT_EQ(run.monitor.look(state, false, texts, 64, [] { return 0; }), 0);
  }
  const std::vector<json> all = events(config, "task");
  ASSERT_EQ(all.size(), 12u);
  for (std::size_t i = 4; i < 12; ++i)
    for (const auto& [key, value] : all[i].items())
      if (value.is_number_float()) {
        EXPECT_NEAR(value.get<double>(), all[i % 4].at(key).get<double>(), 1e-4) << key;
      }
}

TEST(Monitor, WithoutMemoryItIsAWarningAndTrainingGoesOn) {
  install_cpu_memory();
  const TempDir dir;
  TrainConfig config = readable_config(dir);
  add_all(dir, config);
  config.optimizer.max_iters = 3;
  TinyRun run(config);
  Manifest state;
  fail_cpu_allocations(1, 100000);
  EXPECT_EQ(run.monitor.look(state, false, 4, 64, [] { return 0; }), 0);
  fail_cpu_allocations(0);
  EXPECT_TRUE(events(config, "task").empty());
  EXPECT_TRUE(events(config, "sample").empty());
  EXPECT_EQ(run.go(), kExitDone);
  EXPECT_EQ(events(config, "train").size(), 4u);
}

struct Size {
  bool compile;
  at::ScalarType type;
  std::int64_t vocab;
};

std::ostream& operator<<(std::ostream& out, const Size& size) {
  return out << (size.compile ? "fused" : "eager") << ", " << size.type << ", vocabulary of "
             << size.vocab;
}

class PredictedLook : public ::testing::TestWithParam<Size> {};

// Never more than predicted, which is what a limit needs, and not much less.
TEST_P(PredictedLook, HoldsTasksSamplesAndStatistics) {
  const testing::ThreadCount threads(2);
  const testing::WithoutOneDnn without_onednn;
  install_cpu_memory();
  const TempDir dir;
  TrainConfig config = readable_config(dir);
  config.system.compile = GetParam().compile;
  config.system.dtype = GetParam().type == at::kFloat ? "float32" : "bfloat16";
  config.model.n_layer = 3, config.model.n_embd = 128, config.model.n_head = 4;
  config.model.vocab_size.value = GetParam().vocab;
  config.model.head_chunk.value = 128;
  config.data.block_size = 128;
  config.data.micro_batch_size.value = config.data.eval_batch_size.value = 1;
  config.memory.recompute = "none";
  config.monitor.task_files = (dir / "tokens/val.bin").string();
  config.monitor.task_interval.value = 1;
  config.monitor.sample_interval = config.monitor.stats_interval = 1;
  config.monitor.sample_prompts = std::string(120, 'A');
  config.monitor.sample_tokens = 16;
  const std::uint64_t before = cpu_memory_now();
  TinyRun run(config, {}, {c10::Device(c10::kCPU), GetParam().type});
  const Workload workload = workload_of(config, /*cuda=*/false, 2);
  const Plan plan{.micro_batch = 1, .head_chunk = 128, .eval_batch = 1};
  run.trainer.step();
  const auto compare = [&](const char* what, const Phase& predicted) {
    const double measured = static_cast<double>(cpu_memory_peak() - before);
    const double share = static_cast<double>(predicted.live.tensors()) / measured;
    std::printf("%-22s measured %8.3f MiB, predicted %+.1f %% (%s)\n", what, measured / 1048576,
                100 * (share - 1), predicted.name.c_str());
    EXPECT_GE(share, 0.97) << what;
    EXPECT_LE(share, 1.06) << what;
  };
  for (const std::int64_t texts : {1, 4}) {
    Manifest state;
    state.step = 1;
    reset_cpu_memory_peak();
    EXPECT_EQ(run.monitor.look(state, false, texts, 128, [] { return 0; }), 0);
    compare("tasks and samples", peak_of(decoder_phases(workload, plan, texts)));
  }
  reset_cpu_memory_peak();
  run.trainer.step();
  const Phase step = peak_of(step_phases(workload, plan));
  const Phase look = peak_of(statistics_phases(workload, plan));
  compare("a step with statistics", look.live.tensors() > step.live.tensors() ? look : step);
}

INSTANTIATE_TEST_SUITE_P(Engines, PredictedLook,
                         ::testing::Values(Size{false, at::kFloat, 61}, Size{true, at::kFloat, 61},
                                           Size{false, at::kFloat, 5000},
                                           Size{true, at::kBFloat16, 5000}));

// The first one does the work; the rest wait, and any of them may be told to stop.
TEST(Monitor, AnyNumberOfProcessesReportTheSame) {
  std::map<int, std::vector<json>> tasks, samples;
  for (const int processes : {1, 2}) {
    const TempDir dir;
    std::vector<TrainConfig> configs;
    for (int rank = 0; rank < processes; ++rank) {
      TrainConfig config = readable_config(dir);
      add_all(dir, config);
      config.optimizer.max_iters = 1;
      config.io.out_dir = (dir / concat("rank", rank)).string();
      configs.push_back(config);
    }
    const auto errors = run_ranks(processes, [&](ProcessGroup& group) {
      TinyRun run(configs[static_cast<std::size_t>(group.rank())], {}, {at::kCPU, at::kFloat},
                  group);
      Manifest state;
      int asked = 0;
      const auto signal = [&] {
        return group.rank() == processes - 1 && asked++ == 0 ? SIGINT : 0;
      };
      EXPECT_EQ(run.monitor.look(state, false, 4, 64, signal), SIGINT);
      EXPECT_EQ(run.monitor.look(state, false, 4, 64, [] { return 0; }), 0);
      EXPECT_EQ(state.last_task_step, 0);
    });
    for (const std::string& error : errors) EXPECT_EQ(error, "");
    tasks[processes] = events(configs[0], "task");
    samples[processes] = events(configs[0], "sample");
  }
  EXPECT_EQ(tasks[1].size(), 4u);
  EXPECT_EQ(tasks[1], tasks[2]);
  EXPECT_EQ(samples[1].size(), 1u);
  EXPECT_EQ(samples[1], samples[2]);
}

}  // namespace
}  // namespace gpt
