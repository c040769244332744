#include <cstdlib>
#include <regex>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpt/config/settings.h"
#include "gpt/probe/ask.h"

#include "app/doctor_report.h"
#include "support/child.h"
#include "support/environment.h"

namespace gpt {
namespace {

using testing::Environment;
using testing::Finished;
using testing::run;
using testing::TempDir;

constexpr std::uint64_t kMiB = 1 << 20, kGiB = 1 << 30;
constexpr unsigned kOwnPid = 77;

// A machine on which nothing is in the way.
DoctorFacts healthy() {
  DoctorFacts facts;
  facts.program = "gpttrain 0.0\nLibTorch 2.11.0";
  facts.libraries = {"2.11.0", "13.0", "9.19.0", "9.19.0", "13.1.0", "2.28.9", "2.28.9", "AVX2"};
  facts.device.cuda_devices = 1;
  facts.device.built_with_cuda = true;
  facts.device.cuda_capability = 86;
  facts.gpu.driver = "580.95.05";
  facts.gpu.driver_cuda = 13000;
  facts.gpu.on_bus = 1;
  GpuCard& card = facts.gpu.cards.emplace_back();
  card.name = "RTX 3060";
  card.major = 8, card.minor = 6;
  card.total = 12 * kGiB, card.free = 12 * kGiB;
  facts.cpu_features = {"avx2"};
  facts.memory = {{"", 32 * kGiB, 30 * kGiB}};
  facts.disks = {{"out_dir", "out", 100 * kGiB, true}};
  return facts;
}

// The one finding that differs from a healthy machine's.
Finding only(const DoctorFacts& facts) {
  const auto findings = verdict(facts, kOwnPid);
  EXPECT_EQ(findings.size(), 1u);
  for (const Finding& finding : findings) SCOPED_TRACE(finding.what);
  return findings.empty() ? Finding{} : findings.front();
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(DoctorVerdict, NothingIsInTheWay) {
  EXPECT_TRUE(verdict(healthy(), kOwnPid).empty());
  EXPECT_EQ(next_step({}), "nothing is in the way; start the run");
}

TEST(DoctorVerdict, AConfigErrorIsAProblem) {
  DoctorFacts facts = healthy();
  facts.config_error = "x.json: unknown key 'batch'";
  const Finding finding = only(facts);
  EXPECT_EQ(finding.level, Finding::kProblem);
  EXPECT_TRUE(has(finding.what, facts.config_error));
}

TEST(DoctorVerdict, MissingDataAreNamed) {
  DoctorFacts facts = healthy();
  facts.missing_data = "data/x/train.bin";
  EXPECT_EQ(only(facts).what, "data/x/train.bin is not there");
  EXPECT_TRUE(has(only(facts).next, "gpttrain prepare"));
}

TEST(DoctorVerdict, WhyThereIsNoGpu) {
  DoctorFacts facts = healthy();
  facts.device.cuda_devices = 0;
  EXPECT_TRUE(has(only(facts).what, "CUDA does not start on it"));
  facts.gpu.visible = "";
  EXPECT_EQ(only(facts).next, "unset CUDA_VISIBLE_DEVICES");
  facts.gpu.visible.reset();
  facts.gpu.cards.clear();
  EXPECT_TRUE(has(only(facts).what, "reports no card"));
  facts.gpu.driver.clear();
  facts.gpu.driver_cuda = 0;
  facts.gpu.no_driver = "not there";
  EXPECT_TRUE(has(only(facts).next, "install NVIDIA's driver"));
  facts.gpu.on_bus = 0;
  EXPECT_EQ(only(facts).level, Finding::kNote);
  EXPECT_EQ(only(facts).next, "");
}

// Where a config asks for that card, the run cannot work.
TEST(DoctorVerdict, ACardThatIsAskedForAndCannotBeUsedIsAProblem) {
  DoctorFacts facts = healthy();
  facts.device.cuda_devices = 0;
  EXPECT_EQ(only(facts).level, Finding::kWarning);
  facts.refused_gpu = true;
  EXPECT_EQ(only(facts).level, Finding::kProblem);
}

TEST(DoctorVerdict, ACpuOnlyBuildMattersWhereThereIsACard) {
  DoctorFacts facts = healthy();
  facts.device = {};
  EXPECT_EQ(only(facts).level, Finding::kWarning);
  EXPECT_TRUE(has(only(facts).next, "GPTTRAIN_CUDA=ON"));
  facts.gpu.cards.clear();
  facts.gpu.on_bus = 0;
  EXPECT_EQ(only(facts).level, Finding::kNote);
}

TEST(DoctorVerdict, VersionsThatDoNotFit) {
  DoctorFacts facts = healthy();
  facts.gpu.driver_cuda = 12080;
  EXPECT_TRUE(has(only(facts).what, "runs CUDA up to 12.8, this program needs 13.0"));
  facts.gpu.driver_cuda = 13010;
  EXPECT_TRUE(verdict(facts, kOwnPid).empty());
  facts.libraries.cudnn = "9.1.0";
  EXPECT_TRUE(has(only(facts).what, "cuDNN 9.1.0 is loaded"));
  facts = healthy();
  for (const char* fits : {"2.28.3", "2.30.1", ""}) {
    facts.libraries.nccl = fits;
    EXPECT_TRUE(verdict(facts, kOwnPid).empty()) << fits;
  }
  for (const char* does_not : {"2.27.7", "3.0.1"}) {
    facts.libraries.nccl = does_not;
    EXPECT_EQ(only(facts).what,
              std::string("NCCL ") + does_not + " is loaded, LibTorch was compiled with 2.28.9");
  }
}

TEST(DoctorVerdict, SeveralCardsNeedSharedAndLockedMemory) {
  DoctorFacts facts = healthy();
  facts.shm_free = 64 * kMiB;
  facts.memlock = 64 * 1024;
  EXPECT_TRUE(verdict(facts, kOwnPid).empty());  // one card exchanges nothing
  facts.device.cuda_devices = 2;
  auto findings = verdict(facts, kOwnPid);
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[0].level, Finding::kWarning);
  EXPECT_TRUE(has(findings[0].what, "64.00 MiB are free in /dev/shm")) << findings[0].what;
  EXPECT_TRUE(has(findings[0].next, "--shm-size=1g"));
  EXPECT_EQ(findings[1].level, Finding::kNote);
  EXPECT_TRUE(has(findings[1].what, "memlock is 64.00 KiB")) << findings[1].what;
  facts.shm_free = kGiB;
  facts.memlock.reset();
  EXPECT_TRUE(verdict(facts, kOwnPid).empty());
  facts.shm_free.reset();
  EXPECT_TRUE(has(only(facts).what, "there is no /dev/shm")) << only(facts).what;
  facts.has_shm = true;  // but does not say how much is free
  EXPECT_TRUE(verdict(facts, kOwnPid).empty());
}

TEST(Doctor, NamesTheDataThatARunWouldMiss) {
  const TempDir dir;
  dir.write("a.bin", "12345678");
  const auto warned = [&](const std::vector<std::string>& flags) {
    std::vector<std::string> arguments{"doctor", "--json", "--device=cpu"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const auto report = nlohmann::json::parse(run(dir, arguments).out);
    for (const auto& finding : report.at("verdict").at("findings"))
      if (const std::string what = finding.at("what"); has(what, " is not there")) return what;
    return std::string();
  };
  EXPECT_EQ(warned({"--dataset=none"}), "data/none/train.bin is not there");
  EXPECT_EQ(warned({"--train_files=a.bin,b_*.bin", "--val_files=a.bin"}), "b_*.bin is not there");
  EXPECT_EQ(warned({"--train_files=*.bin", "--val_files=c.bin"}), "c.bin is not there");
  EXPECT_EQ(warned({"--train_files=*.bin"}), "val_files is not there");
  EXPECT_EQ(warned({"--train_files=*.bin", "--val_files=a.bin"}), "");
}

TEST(DoctorVerdict, OldCardsAndBusyOnes) {
  DoctorFacts facts = healthy();
  facts.gpu.cards[0].major = 7, facts.gpu.cards[0].minor = 5;
  EXPECT_TRUE(verdict(facts, kOwnPid).empty());
  facts.gpu.cards[0].minor = 0;
  EXPECT_TRUE(has(only(facts).what, "capability 7.0, and CUDA 13 begins at 7.5"));
  EXPECT_TRUE(has(only(facts).next, "--device=cpu"));
  facts = healthy();
  facts.gpu.cards[0].processes = {{kOwnPid, "gpttrain", kGiB}};
  EXPECT_TRUE(verdict(facts, kOwnPid).empty());
  facts.gpu.cards[0].processes.push_back({5, "python", 512 * kMiB});
  EXPECT_EQ(only(facts).what,
            "1 other process(es) hold 512.00 MiB of the RTX 3060 (5 python 512.00 MiB)");
}

TEST(DoctorVerdict, ThePlan) {
  DoctorFacts facts = healthy();
  TrainConfig config;
  config.data.batch_size = 64;
  facts.planned = plan_for_gpu(config, "rtx3060");
  EXPECT_EQ(only(facts).level, Finding::kNote);
  EXPECT_TRUE(has(only(facts).what, "the config fits"));

  config.memory.memory_limit = "1GiB";
  facts.planned = plan_for_gpu(config, "rtx3060");
  EXPECT_EQ(only(facts).level, Finding::kProblem);
  EXPECT_TRUE(has(only(facts).what, "nothing fits"));
  EXPECT_FALSE(only(facts).next.empty());
}

TEST(DoctorVerdict, MemoryDiskAndProcessor) {
  DoctorFacts facts = healthy();
  facts.memory.push_back(
      {"the limit of 800.00 MiB of the control group /x", 800 * kMiB, 512 * kMiB});
  EXPECT_EQ(only(facts).what,
            "memory is short: only 512.00 MiB available, by the limit of 800.00 MiB of the control "
            "group /x");
  facts = healthy();
  facts.disks[0].free = kMiB;
  EXPECT_TRUE(has(only(facts).what, "1.00 MiB are free for out_dir"));
  facts = healthy();
  facts.disks[0].writable = false;
  EXPECT_EQ(only(facts).level, Finding::kProblem);
  facts = healthy();
  facts.cpu_features.clear();
  EXPECT_EQ(only(facts).level, Finding::kNote);
}

TEST(DoctorVerdict, TheGravestComesFirst) {
  DoctorFacts facts = healthy();
  facts.cpu_features.clear();
  facts.disks[0].free = kMiB;
  facts.config_error = "wrong";
  const auto findings = verdict(facts, kOwnPid);
  ASSERT_EQ(findings.size(), 3u);
  EXPECT_EQ(findings[0].level, Finding::kProblem);
  EXPECT_EQ(findings[1].level, Finding::kWarning);
  EXPECT_EQ(findings[2].level, Finding::kNote);
  EXPECT_EQ(next_step(findings), findings[0].next);
}

TEST(DoctorReport, UnknownAndUnlimitedAreNull) {
  DoctorFacts facts = healthy();
  facts.gpu.cards[0].processes = {{5, "", std::nullopt}};
  facts.environment = {{"OMP_NUM_THREADS", "\xff"}};
  const auto json = to_json(facts, verdict(facts, kOwnPid));
  EXPECT_TRUE(json.at("limits").at("memlock").is_null());
  EXPECT_TRUE(json.at("gpu").at("cards").at(0).at("processes").at(0).at("bytes").is_null());
  EXPECT_TRUE(json.at("plan").is_null());
  EXPECT_EQ(json.at("gpu").at("cards").at(0).at("compute_capability"), "8.6");
  const std::string text = doctor_text(facts, verdict(facts, kOwnPid));
  EXPECT_TRUE(has(text, "5 (not visible): unknown")) << text;
  EXPECT_TRUE(has(text, "memlock unlimited")) << text;
}

const std::vector<std::string> kSections{"program",     "libraries", "gpu",  "system",
                                         "cpu",         "memory",    "disk", "limits",
                                         "environment", "config",    "plan", "verdict"};

TEST(Doctor, ReportsThisMachineAsJson) {
  const TempDir dir;
  const Finished plain = run(dir, {"doctor", "--json"});
  ASSERT_EQ(plain.code, 0) << plain.err;
  const auto json = nlohmann::json::parse(plain.out);
  for (const std::string& section : kSections) EXPECT_TRUE(json.contains(section)) << section;
  EXPECT_TRUE(json.at("config").is_null());
  EXPECT_GT(json.at("memory").at("total").get<std::uint64_t>(), kGiB);
  EXPECT_GT(json.at("cpu").at("cores").get<int>(), 0);
  EXPECT_TRUE(json.at("disk").at("out_dir").at("writable").get<bool>());
  EXPECT_FALSE(json.at("cpu").at("gemm_backend").get<std::string>().empty());

  const Finished planned = run(dir, {"doctor", "--json", "--device=cpu", "--n_layer=2",
                                     "--n_embd=64", "--n_head=2", "--block_size=64"});
  ASSERT_EQ(planned.code, 0) << planned.err;
  const auto plan = nlohmann::json::parse(planned.out);
  EXPECT_TRUE(plan.at("plan").at("fits").get<bool>());
  EXPECT_EQ(plan.at("config").at("n_layer"), 2);
}

// The kernels for this CPU, by a process of its own.
TEST(Doctor, ProbesTheCpu) {
  const TempDir dir;
  const auto json = nlohmann::json::parse(run(dir, {"doctor", "--json"}).out);
  const auto& probe = json.at("cpu").at("probe");
  EXPECT_GT(probe.at("checks").size(), 15u);
  for (const auto& check : probe.at("checks")) EXPECT_EQ(check.at("verdict"), "right") << check;
  EXPECT_TRUE(std::regex_search(run(dir, {"doctor"}).out,
                                std::regex("CPU kernels +\\d+ checks in [0-9.]+ s, all right\n")));
}

TEST(DoctorVerdict, KernelsThatComputeWronglyAreAProblem) {
  DoctorFacts facts = healthy();
  facts.cpu_probe =
      settle({{.check = kCheckKernel, .item = "row gelu", .verdict = Verdict::kWrong}},
             {.expandable_segments = false});
  const Finding finding = only(facts);
  EXPECT_EQ(finding.level, Finding::kProblem);
  EXPECT_TRUE(has(finding.what, "kernel row gelu: wrong")) << finding.what;
  EXPECT_TRUE(has(finding.next, "--compile=False"));
  EXPECT_TRUE(has(doctor_text(facts, verdict(facts, kOwnPid)), "1 checks in 0.0 s, 1 not right"));
  facts.cpu_probe =
      settle({{.check = kCheckEngine, .item = kItemEager, .verdict = Verdict::kFailed}}, {});
  EXPECT_EQ(only(facts).level, Finding::kProblem);
}

// The hidden command: lines of JSON, and an exit code.
TEST(Probe, IsHiddenAndSpeaksJson) {
  const TempDir dir;
  EXPECT_FALSE(has(run(dir, {"--help"}).out, "  probe"));
  const std::vector<std::string> small{"probe",          "--device=cpu",   "--n_layer=1",
                                       "--n_head=2",     "--n_embd=32",    "--block_size=16",
                                       "--batch_size=2", "--vocab_size=65"};
  const Finished finished = run(dir, small);
  EXPECT_EQ(finished.code, 0) << finished.err;
  EXPECT_TRUE(has(finished.out, "{\"begins\":{\"check\":\"engine\",\"item\":\"fused\""))
      << finished.out;
  EXPECT_TRUE(finished.out.ends_with("{\"done\":true}\n")) << finished.out;
  auto without = small;
  without.push_back(
      "--earlier=" +
      findings_text({{.check = kCheckEngine, .item = kItemEager, .verdict = Verdict::kFailed}}));
  EXPECT_EQ(run(dir, without).code, 1);
}

// The native GEMM is for vectors that this setting rules out.
TEST(Doctor, NamesWhoseProductsTheCpuComputesWith) {
  const TempDir dir;
  const Environment narrow("ATEN_CPU_CAPABILITY", "default");
  EXPECT_TRUE(std::regex_search(run(dir, {"doctor"}).out, std::regex("GEMM +MKL's\n")));
}

TEST(Doctor, AWrongConfigIsInTheReport) {
  const TempDir dir;
  dir.write("x.json", "{\"batch_sise\": 3}");
  const Finished text = run(dir, {"doctor", "x.json"});
  EXPECT_EQ(text.code, 2);
  EXPECT_TRUE(has(text.out, "problem: the config is wrong: x.json")) << text.out;
  EXPECT_TRUE(has(text.out, "next: correct that")) << text.out;
  const Finished json = run(dir, {"doctor", "--json", "x.json"});
  EXPECT_EQ(json.code, 2);
  EXPECT_TRUE(has(nlohmann::json::parse(json.out).at("config").at("error"), "batch_sise"));
}

TEST(Doctor, ExitsWith1WhereNothingFits) {
  const TempDir dir;
  const Finished finished = run(dir, {"doctor", "--device=cpu", "--memory_limit=1MiB"});
  EXPECT_EQ(finished.code, 1);
  EXPECT_TRUE(has(finished.out, "problem: nothing fits")) << finished.out;
}

TEST(Doctor, AsksTheDriver) {
  const TempDir dir;
  const Environment libraries("LD_LIBRARY_PATH", fs::path(GPT_FAKE_NVML).parent_path().string());
  const Finished finished = run(dir, {"doctor"});
  EXPECT_EQ(finished.code, 0) << finished.err;
  EXPECT_TRUE(has(finished.out, "580.95.05, runs CUDA up to 13.0")) << finished.out;
  EXPECT_TRUE(has(finished.out, "NVIDIA GeForce RTX 3060, compute capability 8.6, bf16"));
  EXPECT_TRUE(has(finished.out, "2.50 GiB used, 318.00 MiB reserved")) << finished.out;
  EXPECT_TRUE(has(finished.out, "warning: 2 other process(es) hold 512.00 MiB")) << finished.out;
}

// The stand-in for the driver has a card, on which no CUDA starts.
TEST(Program, NeverTakesTheCpuSilently) {
  if (device_facts().cuda_devices > 0) GTEST_SKIP() << "there is a card that works";
  const TempDir dir;
  testing::prepare_tiny(dir);
  ASSERT_EQ(run(dir, testing::tiny_training({"--out_dir=out", "--max_iters=1"})).code, 0);
  const testing::Environment driver("LD_LIBRARY_PATH",
                                    fs::path(GPT_FAKE_NVML).parent_path().string());
  const std::vector<std::string> tiny{"--n_layer=1",    "--n_head=1",      "--n_embd=16",
                                      "--block_size=8", "--vocab_size=65", "--timed_iters=1"};
  const auto with = [&](std::vector<std::string> arguments, const std::string& device) {
    arguments.push_back("--device=" + device);
    return run(dir, arguments);
  };
  std::vector<std::string> bench{"bench"};
  bench.insert(bench.end(), tiny.begin(), tiny.end());
  const std::vector<std::vector<std::string>> commands{
      testing::tiny_training({"--out_dir=new", "--max_iters=1", "--overwrite=True"}),
      {"sample", "--out_dir=out", "--num_samples=1", "--max_new_tokens=2", "--start=the"},
      {"eval", "--out_dir=out", "data/tiny/val.bin"},
      {"plan", "--n_layer=1", "--n_head=1", "--n_embd=16"},
      bench};
  const std::string why = device_facts().built_with_cuda ? "CUDA does not start on it"
                                                         : "this build is for the CPU only";
  for (const auto& command : commands) {
    SCOPED_TRACE(command[0]);
    const Finished refused = with(command, "cuda");
    EXPECT_EQ(refused.code, 2) << refused.err;
    EXPECT_TRUE(has(refused.err, why)) << refused.err;
    EXPECT_TRUE(has(refused.err, "set --device=cpu")) << refused.err;
    const Finished warned = with(command, "auto");
    EXPECT_EQ(warned.code, 0) << warned.err;
    EXPECT_TRUE(has(warned.err, "warning: device=auto: ")) << warned.err;
    const Finished asked = with(command, "cpu");
    EXPECT_EQ(asked.code, 0) << asked.err;
    EXPECT_FALSE(has(asked.err, why)) << asked.err;
  }
  const Finished doctor = run(dir, {"doctor", "--n_layer=1", "--n_head=1", "--n_embd=16"});
  EXPECT_EQ(doctor.code, 1) << doctor.out;
  EXPECT_TRUE(has(doctor.out, "problem: ")) << doctor.out;
  EXPECT_TRUE(has(doctor.out, why)) << doctor.out;
}

// The hint of every out-of-memory error is a command that is there.
TEST(Doctor, IsListed) {
  const TempDir dir;
  EXPECT_TRUE(has(run(dir, {"--help"}).out, "doctor"));
  EXPECT_TRUE(has(run(dir, {"doctor", "--help"}).out, "Usage: gpttrain doctor"));
  const std::string version = run(dir, {"--version"}).out;
  EXPECT_TRUE(std::regex_search(version, std::regex("build \\w+"))) << version;
  const std::regex back_ends(device_facts().built_with_cuda
                                 ? "back ends: cpu, cuda \\(sm_\\d\\d\\w*( sm_\\d\\d\\w*)*\\)\n"
                                 : "back ends: cpu\n");
  EXPECT_TRUE(std::regex_search(version, back_ends)) << version;
}

TEST(Program, MetricsTellWhatTheMachineHolds) {
  const TempDir dir;
  testing::prepare_tiny(dir);
  const Finished trained =
      run(dir, testing::tiny_training({"--out_dir=out", "--max_iters=1", "--device=cpu"}));
  ASSERT_EQ(trained.code, 0) << trained.err;
  std::istringstream lines(read_file(dir / "out/metrics.jsonl"));
  int found = 0;
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line);
    if (json.at("event") != "train") continue;
    ++found;
    EXPECT_GT(json.at("process_mib").get<double>(), 10);
    EXPECT_GT(json.at("system_available_mib").get<double>(), 10);
  }
  EXPECT_EQ(found, 2);
}

}  // namespace
}  // namespace gpt
