#include "app/doctor_verdict.h"

#include <algorithm>
#include <cstdlib>

#include "gpt/base/strings.h"
#include "gpt/device/watch.h"
#include "gpt/memory/plan_text.h"

namespace gpt {

namespace {

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
using Findings = std::vector<Finding>;

void judge_config(const DoctorFacts& facts, Findings& findings) {
  if (!facts.config_error.empty())
    findings.push_back({Finding::kProblem, "the config is wrong: " + facts.config_error,
                        "correct that, then run doctor again"});
  if (!facts.missing_data.empty())
    findings.push_back({Finding::kWarning, facts.missing_data + " is not there",
                        "make the dataset with `gpttrain prepare`, or set --dataset, --data_dir "
                        "or --train_files and --val_files"});
  if (!facts.data_error.empty())
    findings.push_back({Finding::kProblem, "the data are wrong: " + facts.data_error, ""});
  if (!facts.planned) return;
  const MachinePlan& planned = *facts.planned;
  if (planned.ranked.best) {
    findings.push_back({Finding::kNote,
                        "the config fits: " + plan_line(planned.planner, *planned.ranked.best),
                        ""});
    return;
  }
  const std::string flags = nearest_that_fits(planned.planner);
  findings.push_back(
      {Finding::kProblem, shortfall_text(planned.planner, planned.ranked),
       flags.empty() ? "take a smaller model, or a device with more memory" : "add " + flags});
}

// "13.0" -> 13000, as the driver counts.
int cuda_number(const std::string& text) {
  const auto dot = text.find('.');
  if (dot == std::string::npos) return 0;
  return std::atoi(text.c_str()) * 1000 + std::atoi(text.c_str() + dot + 1) * 10;
}

void judge_versions(const DoctorFacts& facts, Findings& findings) {
  const LibraryVersions& libraries = facts.libraries;
  if (libraries.cudnn != libraries.cudnn_compiled && !libraries.cudnn.empty() &&
      !libraries.cudnn_compiled.empty())
    findings.push_back({Finding::kWarning,
                        concat("cuDNN ", libraries.cudnn, " is loaded, LibTorch was compiled with ",
                               libraries.cudnn_compiled),
                        "unset LD_LIBRARY_PATH, or take another cuDNN off it"});
}

// "2.28.9" -> 2028: older ones of one major version lack what newer ones have.
int minor_number(const std::string& text) {
  return cuda_number(text) > 0 ? std::atoi(text.c_str()) * 1000 + cuda_number(text) % 1000 / 10 : 0;
}

void judge_libraries(const LibraryVersions& libraries, Findings& findings) {
  if (libraries.nccl_compiled.empty() || libraries.nccl.empty()) return;
  const int loaded = minor_number(libraries.nccl), compiled = minor_number(libraries.nccl_compiled);
  if (loaded < compiled || loaded / 1000 != compiled / 1000)
    findings.push_back({Finding::kWarning,
                        concat("NCCL ", libraries.nccl, " is loaded, LibTorch was compiled with ",
                               libraries.nccl_compiled),
                        "unset LD_LIBRARY_PATH, or take another NCCL off it"});
}

// What NCCL's guide asks of containers: it moves data between cards through /dev/shm where they
// cannot reach each other, and locks memory for network cards.
void judge_exchange(const DoctorFacts& facts, Findings& findings) {
  constexpr std::uint64_t kShared = kGiB / 4, kLocked = kGiB / 16;
  if (facts.device.cuda_devices < 2) return;
  if (facts.shm_free.value_or(facts.has_shm ? kShared : 0) < kShared)
    findings.push_back({Finding::kWarning,
                        concat("several cards, but ",
                               facts.shm_free ? human_bytes(*facts.shm_free) + " are free in"
                                              : std::string("there is no"),
                               " /dev/shm, through which NCCL may have to move gradients"),
                        "start the container with --shm-size=1g, or free space in /dev/shm"});
  if (!facts.without_peer_access.empty())
    findings.push_back(
        {Finding::kNote,
         "some cards cannot read each other's memory, as GeForce cards of the RTX "
         "40 series: NCCL goes through the host",
         "if a run of several processes hangs at its start, set NCCL_P2P_DISABLE=1"});
  if (facts.memlock && *facts.memlock < kLocked)
    findings.push_back({Finding::kNote,
                        concat("several cards, and memlock is ", human_bytes(*facts.memlock),
                               ": NCCL over InfiniBand needs more (ulimit -l unlimited)"),
                        ""});
}

void judge_cards(const DoctorFacts& facts, unsigned own_pid, Findings& findings) {
  for (const GpuCard& card : facts.gpu.cards) {
    if (const std::string holders = other_holders(card, own_pid); !holders.empty())
      findings.push_back({Finding::kWarning, holders,
                          "end them, or choose another card with CUDA_VISIBLE_DEVICES"});
  }
}

// A CPU that nobody has seen may compute wrongly with its own kernels.
void judge_cpu_probe(const DoctorFacts& facts, Findings& findings) {
  if (!facts.cpu_probe) return;
  const ProbeReport& probe = *facts.cpu_probe;
  for (const StepDown& step : probe.steps)
    findings.push_back({Finding::kProblem, "the CPU's own kernels are not right here: " + step.why,
                        "train with --compile=False, and report this"});
  if (!probe.unusable.empty())
    findings.push_back({Finding::kProblem, "the CPU computes wrongly: " + probe.unusable,
                        "report this, and train on another machine"});
}

void judge_machine(const DoctorFacts& facts, Findings& findings) {
  const std::uint64_t available = tightest(facts.memory).available;
  if (available < kGiB)
    findings.push_back({Finding::kWarning,
                        "memory is short: only " + memory_text(tightest(facts.memory)),
                        "end other programs, or give the container more"});
  for (const DiskFacts& disk : facts.disks) {
    if (disk.what == "out_dir" && !disk.writable)
      findings.push_back({Finding::kProblem, "out_dir cannot be written: " + disk.path,
                          "choose another --out_dir"});
    // Weights and AdamW's state in float32; two checkpoints stay, a third is being written.
    const std::uint64_t needed =
        facts.planned
            ? 3 * 12 * static_cast<std::uint64_t>(facts.planned->planner.workload().parameters())
            : 0;
    if (disk.what == "out_dir" && disk.free && *disk.free < std::max(needed, kGiB / 4))
      findings.push_back(
          {Finding::kWarning,
           concat(human_bytes(*disk.free), " are free for out_dir, checkpoints need ",
                  human_bytes(std::max(needed, kGiB / 4))),
           "free some space, or choose another --out_dir"});
  }
  const bool offload = facts.planned && facts.planned->ranked.best &&
                       facts.planned->ranked.best->plan.offload != Offload::kOff;
  const std::uint64_t host =
      offload ? static_cast<std::uint64_t>(facts.planned->ranked.best->host) : 0;
  if (offload && facts.planned->planner.workload().cuda && host > available)
    findings.push_back(
        {Finding::kWarning,
         concat("optimizer_offload needs ", human_bytes(host), " of the machine's memory, ",
                human_bytes(available), " are available"),
         "end other programs, or set --optimizer_offload=off"});
  if (std::find(facts.cpu_features.begin(), facts.cpu_features.end(), "avx2") ==
      facts.cpu_features.end())
    findings.push_back({Finding::kNote, "the CPU has no AVX2: training on it is slow", ""});
}

}  // namespace

const char* level_name(Finding::Level level) {
  return level == Finding::kProblem ? "problem" : level == Finding::kWarning ? "warning" : "note";
}

std::vector<Finding> verdict(const DoctorFacts& facts, unsigned own_pid) {
  Findings findings;
  judge_config(facts, findings);
  judge_versions(facts, findings);
  judge_libraries(facts.libraries, findings);
  judge_exchange(facts, findings);
  for (Finding finding : gpu_findings(facts.gpu, facts.device)) {
    if (facts.refused_gpu && finding.level == Finding::kWarning) finding.level = Finding::kProblem;
    findings.push_back(std::move(finding));
  }
  judge_cards(facts, own_pid, findings);
  judge_cpu_probe(facts, findings);
  judge_machine(facts, findings);
  std::stable_sort(findings.begin(), findings.end(),
                   [](const Finding& a, const Finding& b) { return a.level < b.level; });
  return findings;
}

std::string next_step(const std::vector<Finding>& findings) {
  for (const Finding& finding : findings)
    if (!finding.next.empty()) return finding.next;
  return "nothing is in the way; start the run";
}

}  // namespace gpt
