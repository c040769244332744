// Several processes of the program, as launchers start them: the numbers of one, and what happens
// when one of them is lost.
#include <cerrno>
#include <csignal>
#include <map>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/config/printing.h"

#include "support/child.h"
#include "support/environment.h"
#include "support/golden.h"
#include "support/golden_config.h"
#include "support/python.h"
#include "support/shell.h"

namespace gpt {
namespace {

using nlohmann::json;
using testing::Child;
using testing::Finished;
using testing::shell;
using testing::TempDir;
using testing::tiny_config;

using Words = std::vector<std::string>;

// A run of nanoGPT's, recorded; float32 on the CPU.
TrainConfig recorded_config(const TempDir& dir, const json& golden) {
  TrainConfig config = testing::golden_config(dir, golden);
  config.system.device = "cpu";
  config.system.dist_timeout = 60;
  return config;
}

void write_config(const TempDir& dir, TrainConfig config) {
  dir.write("config.json", to_json(options_of(config)));
}

Finished launch(const TempDir& dir, int processes, const Words& flags = {}) {
  Words words{"launch", concat("--nproc=", processes), "config.json"};
  words.insert(words.end(), flags.begin(), flags.end());
  return Child(dir, words).wait();
}

std::vector<json> events(const fs::path& out, const std::string& name) {
  std::vector<json> found;
  std::istringstream file(read_file(out / "metrics.jsonl"));
  for (std::string line; std::getline(file, line);)
    if (auto event = json::parse(line); event.at("event") == name) found.push_back(event);
  return found;
}

std::map<int, double> losses(const fs::path& out) {
  std::map<int, double> all;
  for (const json& event : events(out, "train"))
    all[event.at("iter")] = event.at("mean_loss").get<double>();
  return all;
}

double largest_difference(const std::map<int, double>& a, const std::map<int, double>& b) {
  double most = a.size() == b.size() ? 0 : 1e9;
  for (const auto& [iter, loss] : a)
    most = std::max(most, std::abs(loss - (b.contains(iter) ? b.at(iter) : 1e9)));
  return most;
}

// The lines in which each process says what its weights add up to, by step.
std::map<std::string, std::set<std::string>> weight_sums(const fs::path& out) {
  std::map<std::string, std::set<std::string>> sums;
  for (const auto& entry : fs::directory_iterator(out)) {
    if (entry.path().extension() != ".log") continue;
    std::istringstream log(read_file(entry.path()));
    const std::string middle = ": the bits of the weights add up to ";
    for (std::string line; std::getline(log, line);)
      if (const auto at = line.find(middle); at != std::string::npos) {
        const auto step = line.rfind("step ", at);
        sums[line.substr(step, at - step)].insert(line.substr(at + middle.size()));
      }
  }
  return sums;
}

struct World {
  int processes;
  const char* zero;
  const char* compile;
};

std::ostream& operator<<(std::ostream& out, const World& world) {
  return out << world.processes << " processes, zero=" << world.zero
             << ", compile=" << world.compile;
}

class Golden : public ::testing::TestWithParam<World> {};

TEST_P(Golden, LossesAreNanoGpts) {
  const auto golden = json::parse(testing::read_golden("short_run_accumulated.json"));
  const TempDir dir;
  write_config(dir, recorded_config(dir, golden));
  const Finished run =
      launch(dir, GetParam().processes,
             {concat("--zero=", GetParam().zero), concat("--compile=", GetParam().compile)});
  ASSERT_EQ(run.code, kExitDone) << run.err;
  constexpr double kFourDecimals = 5e-6 + 5e-5;
  const auto trained = events(dir / "out", "train");
  const auto& iterations = golden.at("iterations");
  ASSERT_EQ(trained.size(), iterations.size());
  for (std::size_t i = 0; i < trained.size(); ++i)
    for (const char* key : {"loss", "mean_loss"})
      EXPECT_NEAR(trained[i].at(key).get<double>(), iterations[i].at(key).get<double>(),
                  kFourDecimals)
          << key << " of iteration " << i;
  const auto evaluated = events(dir / "out", "eval");
  const auto& evaluations = golden.at("evaluations");
  ASSERT_EQ(evaluated.size(), evaluations.size());
  for (std::size_t i = 0; i < evaluated.size(); ++i) {
    EXPECT_NEAR(evaluated[i].at("train/loss").get<double>(),
                evaluations[i].at("train").get<double>(), kFourDecimals);
    EXPECT_NEAR(evaluated[i].at("val/loss").get<double>(), evaluations[i].at("val").get<double>(),
                kFourDecimals);
  }
  // Bit for bit the same weights in every process, at every checkpoint.
  if (GetParam().processes == 1) return;
  const auto sums = weight_sums(dir / "out");
  EXPECT_GE(sums.size(), 2u);
  for (const auto& [step, values] : sums) EXPECT_EQ(values.size(), 1u) << step;
}

INSTANTIATE_TEST_SUITE_P(Worlds, Golden,
                         ::testing::Values(World{1, "0", "True"}, World{2, "0", "True"},
                                           World{3, "0", "True"}, World{4, "0", "True"},
                                           World{2, "0", "False"}, World{3, "1", "True"},
                                           World{4, "1", "True"}, World{2, "1", "False"}),
                         [](const auto& world) {
                           return concat("Of", world.param.processes, "Zero", world.param.zero,
                                         world.param.compile[0] == 'T' ? "Fused" : "Eager");
                         });

// A few iterations of a small model; dropout is on.
TrainConfig small_run(const TempDir& dir) {
  TrainConfig config = tiny_config(dir);
  config.system.device = "cpu";
  config.system.dtype = "float32";
  config.system.dist_timeout = 60;
  config.data.batch_size = 3;
  config.data.gradient_accumulation_steps = 3;
  config.model.dropout = 0.1;
  config.optimizer.max_iters = 40;
  config.io.eval_interval = 10;
  return config;
}

TEST(Processes, DropoutDoesNotDependOnThem) {
  const TempDir dir;
  write_config(dir, small_run(dir));
  ASSERT_EQ(launch(dir, 1, {"--out_dir=one"}).code, kExitDone);
  ASSERT_EQ(launch(dir, 3, {"--out_dir=three"}).code, kExitDone);
  EXPECT_LT(largest_difference(losses(dir / "one"), losses(dir / "three")), 5e-5);
}

// Where memory cannot be shared, gloo does the same, and the log says why.
TEST(Processes, WithoutSharedMemoryTheyUseGloo) {
  const TempDir dir;
  write_config(dir, small_run(dir));
  const Finished shared = launch(dir, 3, {"--out_dir=shared"});
  ASSERT_EQ(shared.code, kExitDone) << shared.err;
  EXPECT_NE(shared.err.find("on the CPU through shared memory\n"), std::string::npos) << shared.err;
  const testing::Environment library("LD_PRELOAD", GPT_REFUSING_FILE_SYSTEM),
      which("REFUSE_CALLS", "memfd_create"), why("REFUSE_ERRNO", std::to_string(ENOSYS));
  const Finished gloo = launch(dir, 3, {"--out_dir=gloo"});
  ASSERT_EQ(gloo.code, kExitDone) << gloo.err;
  EXPECT_NE(gloo.err.find("through gloo, since they cannot share memory: gpttrain's shared memory: "
                          "cannot create: Function not implemented"),
            std::string::npos)
      << gloo.err;
  EXPECT_LT(largest_difference(losses(dir / "shared"), losses(dir / "gloo")), 5e-5);
}

// As far as another split of one process's step moves them.
TEST(Processes, Bfloat16DiffersByItsOwnNoise) {
  const TempDir dir;
  write_config(dir, small_run(dir));
  const std::string type = "--dtype=bfloat16";
  ASSERT_EQ(launch(dir, 1, {"--out_dir=one", type}).code, kExitDone);
  ASSERT_EQ(launch(dir, 1, {"--out_dir=split", type, "--micro_batch_size=1"}).code, kExitDone);
  ASSERT_EQ(launch(dir, 2, {"--out_dir=two", type}).code, kExitDone);
  const double noise = largest_difference(losses(dir / "one"), losses(dir / "split"));
  EXPECT_LE(largest_difference(losses(dir / "one"), losses(dir / "two")), 2 * noise + 1e-4);
}

TEST(Processes, ARunGoesOnWithAnyNumberOfThem) {
  const TempDir dir;
  write_config(dir, small_run(dir));
  ASSERT_EQ(launch(dir, 1, {"--out_dir=whole"}).code, kExitDone);
  ASSERT_EQ(launch(dir, 3, {"--zero=1", "--max_iters=12"}).code, kExitDone);
  const Finished two =
      launch(dir, 2, {"--zero=1", "--init_from=resume", "--max_iters=25", "--compile=False"});
  ASSERT_EQ(two.code, kExitDone) << two.err;
  const Finished one = launch(dir, 1, {"--init_from=auto"});
  ASSERT_EQ(one.code, kExitDone) << one.err;
  EXPECT_LT(largest_difference(losses(dir / "whole"), losses(dir / "out")), 5e-5);
}

TEST(Processes, TheSameNumberOfThemResumesBitForBit) {
  const TempDir dir;
  write_config(dir, small_run(dir));
  ASSERT_EQ(launch(dir, 2, {"--out_dir=whole", "--zero=1"}).code, kExitDone);
  ASSERT_EQ(launch(dir, 2, {"--max_iters=12", "--zero=1"}).code, kExitDone);
  ASSERT_EQ(launch(dir, 2, {"--init_from=resume", "--zero=1"}).code, kExitDone);
  for (const char* file : {"model.safetensors", "optimizer.safetensors"})
    EXPECT_TRUE(read_file(dir / "whole/step_00000041" / file) ==
                read_file(dir / "out/step_00000041" / file))
        << file;
}

// A run of two or three that does not end by itself; its ranks' process ids, in order.
class LongRun {
 public:
  LongRun(const TempDir& dir, int processes, Words flags = {})
      : child_(dir, words(processes, std::move(flags))) {
    EXPECT_TRUE(child_.says("tok/s, mem"));
    std::istringstream list(
        read_file(concat("/proc/", child_.pid(), "/task/", child_.pid(), "/children")));
    for (pid_t id = 0; list >> id;) ranks_.push_back(id);
    EXPECT_EQ(ranks_.size(), static_cast<std::size_t>(processes));
  }

  pid_t rank(int number) const { return ranks_.at(static_cast<std::size_t>(number)); }
  Finished wait() const { return child_.wait(); }
  pid_t launcher() const { return child_.pid(); }
  bool all_gone() const {
    for (const pid_t id : ranks_)
      if (::kill(id, 0) == 0) return false;
    return true;
  }

 private:
  static Words words(int processes, Words flags) {
    Words all{"launch",
              concat("--nproc=", processes),
              "config.json",
              "--max_iters=100000000",
              "--eval_interval=1000",
              "--checkpoint_interval=1",
              "--log_interval=10",
              "--dist_timeout=4"};
    all.insert(all.end(), flags.begin(), flags.end());
    return all;
  }

  Child child_;
  std::vector<pid_t> ranks_;
};

std::string verified(const TempDir& dir) {
  return Child(dir, {"checkpoint", "verify", "out"}).wait().out;
}

TEST(LostRank, KilledEndsTheOthersAndIsNamed) {
  const TempDir dir;
  write_config(dir, small_run(dir));
  for (const int rank : {0, 1, 2}) {
    const LongRun run(dir, 3, {"--overwrite=True"});
    ::kill(run.rank(rank), SIGKILL);
    const Finished end = run.wait();
    EXPECT_EQ(end.code, kExitFailure);
    EXPECT_TRUE(run.all_gone());
    EXPECT_NE(end.err.find(concat("error: rank ", rank, " (process ", run.rank(rank),
                                  ") was ended by signal 9")),
              std::string::npos)
        << end.err;
    EXPECT_NE(end.err.find(concat("rank ", rank, " (")), std::string::npos);
    EXPECT_NE(end.err.find("gives no sign of life"), std::string::npos) << end.err;
    EXPECT_EQ(verified(dir).find("damaged"), std::string::npos);
  }
}

TEST(LostRank, StoppedEndsTheOthersWithinTheTimeout) {
  const TempDir dir;
  write_config(dir, small_run(dir));
  const LongRun run(dir, 2, {"--zero=1"});
  ::kill(run.rank(1), SIGSTOP);
  const Finished end = run.wait();
  EXPECT_EQ(end.code, kExitFailure);
  EXPECT_TRUE(run.all_gone());
  EXPECT_NE(end.err.find("rank 1 ("), std::string::npos) << end.err;
  EXPECT_NE(end.err.find("gives no sign of life"), std::string::npos) << end.err;
  EXPECT_NE(end.err.find("4s (dist_timeout)"), std::string::npos) << end.err;
}

TEST(LostRank, TheLauncherTakesThemAllWithIt) {
  const TempDir dir;
  write_config(dir, small_run(dir));
  const LongRun run(dir, 2);
  ::kill(run.launcher(), SIGKILL);
  for (int i = 0; i < 6000 && !run.all_gone(); ++i) usleep(10000);
  EXPECT_TRUE(run.all_gone());
  run.wait();
}

TEST(StoppedRank, AllSaveOnceAndSay75) {
  const TempDir dir;
  write_config(dir, small_run(dir));
  for (const int signal : {SIGTERM, SIGUSR1}) {
    const LongRun run(dir, 3, {"--init_from=auto"});
    ::kill(run.rank(signal == SIGTERM ? 2 : 0), signal);
    const Finished end = run.wait();
    EXPECT_EQ(end.code, kExitStopped) << end.err;
    EXPECT_NE(end.out.find(signal == SIGTERM ? "stopped by SIGTERM" : "stopped by SIGUSR1"),
              std::string::npos)
        << end.out;
  }
  EXPECT_EQ(events(dir / "out", "stop").size(), 2u);
}

// Two processes with the environment that any launcher sets, each with words of its own.
Finished two_processes(const TempDir& dir, const std::string& first, const std::string& second) {
  return shell(dir,
               "export WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=$((20000 + $$ % 20000))\n"
               "RANK=0 \"$GPT\" config.json --dist_timeout=20 " +
                   first +
                   " &\n"
                   "RANK=1 \"$GPT\" config.json --dist_timeout=20 " +
                   second +
                   "; second=$?\n"
                   "wait $!; echo codes $? $second\n");
}

TEST(Agreement, DifferentOptionsAreNamed) {
  const TempDir dir;
  write_config(dir, small_run(dir));
  const Finished run = two_processes(dir, "", "--learning_rate=0.5");
  EXPECT_NE(run.out.find("codes 2 2"), std::string::npos) << run.out << run.err;
  EXPECT_NE(run.err.find("has learning_rate 0.5"), std::string::npos) << run.err;
  EXPECT_EQ(run.err.find("error:"), run.err.rfind("error:")) << run.err;  // said once
}

TEST(Agreement, DifferentDataAreNamed) {
  const TempDir dir;
  write_config(dir, small_run(dir));
  auto tokens = testing::made_up_tokens(0, 20000);
  tokens[10000] ^= 1;
  for (std::size_t i = 0; i < 20000; i += 7) tokens[i] = 3;
  dir.write_tokens("other/tokens/train.bin", tokens);
  dir.write_tokens("other/tokens/val.bin", testing::made_up_tokens(20000, 24000));
  const Finished run = two_processes(dir, "", "--data_dir=other");
  EXPECT_NE(run.out.find("codes 2 2"), std::string::npos) << run.out << run.err;
  EXPECT_NE(run.err.find("has train contents"), std::string::npos) << run.err;
}

TEST(Agreement, ThePlanMayDiffer) {
  const TempDir dir;
  write_config(dir, small_run(dir));
  const Finished run = two_processes(dir, "", "--micro_batch_size=1 --threads=1");
  EXPECT_NE(run.out.find("codes 0 0"), std::string::npos) << run.out << run.err;
}

TEST(Agreement, AMistakeOfOneIsWhatTheOthersSay) {
  const TempDir dir;
  write_config(dir, small_run(dir));
  const Finished run = two_processes(dir, "", "--data_dir=nowhere");
  EXPECT_NE(run.out.find("codes 1 2"), std::string::npos) << run.out << run.err;
  EXPECT_NE(run.err.find("rank 1 ("), std::string::npos) << run.err;
  EXPECT_NE(run.err.find("has ended: nowhere"), std::string::npos) << run.err;
}

// torchrun of the pinned wheel; "" without a Python that loads it.
std::string torchrun() {
  const std::string python = testing::venv_python("extras");
  return python.empty() ? "" : "'" + python + "' -m torch.distributed.run";
}
constexpr const char* kNoTorchrun =
    "the Python with PyTorch is not here (scripts/setup --with-tests installs it)";

TEST(Launchers, Torchrun) {
  if (torchrun().empty()) GTEST_SKIP() << kNoTorchrun;
  const TempDir dir;
  write_config(dir, small_run(dir));
  const Finished run =
      shell(dir, torchrun() + " --nproc-per-node=2 --no-python \"$GPT\" config.json\n");
  ASSERT_EQ(run.code, kExitDone) << run.err;
  EXPECT_NE(run.err.find("torchrun: 2 processes"), std::string::npos) << run.err;
  EXPECT_EQ(losses(dir / "out").size(), 41u);
}

TEST(Launchers, TorchrunStartsAgainAfterAKill) {
  if (torchrun().empty()) GTEST_SKIP() << kNoTorchrun;
  const TempDir dir;
  write_config(dir, small_run(dir));
  const Finished run =
      shell(dir, torchrun() +
                     " --nproc-per-node=2 --max-restarts=2 --no-python \"$GPT\" config.json "
                     "--init_from=auto --max_iters=400 --eval_iters=1 --log_interval=10 &\n"
                     "until grep -q '\"iter\": *30[,}]' out/metrics.jsonl; do sleep 0.05; done\n"
                     "pkill -9 -n -f 'gpttrain config.json --init_from=auto'\nwait $!\n");
  EXPECT_EQ(run.code, kExitDone) << run.err;
  EXPECT_NE(run.out.find("resuming from "), std::string::npos) << run.out;
  EXPECT_EQ(events(dir / "out", "resume").size(), 1u) << run.out << run.err;
}

TEST(Launchers, OpenMpi) {
  if (std::system("command -v mpirun >/dev/null && mpirun --version | grep -q 'Open MPI'") != 0)
    GTEST_SKIP() << "Open MPI's mpirun is not here (scripts/setup --with-tests installs it)";
  const TempDir dir;
  write_config(dir, small_run(dir));
  const Finished run =
      shell(dir, "mpirun --allow-run-as-root --oversubscribe -np 2 \"$GPT\" config.json\n");
  ASSERT_EQ(run.code, kExitDone) << run.err;
  EXPECT_NE(run.err.find("Open MPI: 2 processes"), std::string::npos) << run.err;
}

TEST(Launchers, Mpich) {
  if (std::system("command -v mpirun.mpich >/dev/null") != 0)
    GTEST_SKIP() << "MPICH's mpirun is not here (scripts/setup --with-tests installs it)";
  const TempDir dir;
  write_config(dir, small_run(dir));
  const Finished run = shell(dir, "mpirun.mpich -np 2 \"$GPT\" config.json\n");
  ASSERT_EQ(run.code, kExitDone) << run.err;
  EXPECT_NE(run.err.find("MPICH: 2 processes"), std::string::npos) << run.err;
}

TEST(Launch, RefusesWhatCannotBeShared) {
  const TempDir dir;
  write_config(dir, small_run(dir));
  const Finished many = launch(dir, 10);
  EXPECT_EQ(many.code, kExitBadInput);
  EXPECT_EQ(many.err.find("error:"), many.err.rfind("error:")) << many.err;
  EXPECT_NE(many.err.find("10 processes cannot share a step of 9 sequences"), std::string::npos);
  const Finished none = Child(dir, {"launch", "--nproc=none", "config.json"}).wait();
  EXPECT_EQ(none.code, kExitBadInput);
  EXPECT_NE(none.err.find("--nproc: expected auto or a number"), std::string::npos) << none.err;
}

}  // namespace
}  // namespace gpt
