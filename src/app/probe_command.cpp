// What `gpttrain train` and its like run before they open a context of their own: the checks of
// gpt/probe on this device, in a process that may die of them.
#include <algorithm>

#include "gpt/base/error.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/config/command_line.h"
#include "gpt/config/validate.h"
#include "gpt/probe/ask.h"
#include "gpt/probe/checks.h"
#include "gpt/train/machine.h"
#include "gpt/train/machine_plan.h"
#include "gpt/train/memory_setup.h"
#include "gpt/train/probe_setup.h"

#include "app/commands.h"

namespace gpt {

namespace {

constexpr const char* kProbeUsage =
    "Usage: gpttrain probe [CONFIG.py|CONFIG.json...] [--key=value...]\n"
    "Checks what a run with that config would use of the device, each part in a line of\n"
    "JSON. `train`, `sample`, `eval` and `bench` run it by themselves on a GPU, `doctor` on\n"
    "the CPU. Exit code 1 if nothing can be computed here.\n";

// The argument that begins with `prefix`, without it; taken out of `arguments`.
std::string take_argument(Arguments& arguments, const std::string& prefix) {
  const auto found =
      std::find_if(arguments.begin(), arguments.end(),
                   [&](const std::string& argument) { return argument.starts_with(prefix); });
  if (found == arguments.end()) return "";
  const std::string value = found->substr(prefix.size());
  arguments.erase(found);
  return value;
}

bool says_bad(const std::vector<CheckResult>& findings, const char* check, const char* item) {
  return std::any_of(findings.begin(), findings.end(), [&](const CheckResult& finding) {
    return finding.check == check && finding.item == item && finding.bad();
  });
}

// The sizes that the run would have; where not even the smallest plan fits, the run will say so.
void settle_plan(ProbeJob& job) {
  const MachinePlan planned = plan_for(job.config, job.compute);
  if (planned.ranked.best) adopt_plan(job.config, planned);
}

}  // namespace

ExitCode probe_command(const Arguments& arguments) {
  Arguments rest = arguments;
  const std::string said = take_argument(rest, "--earlier=");
  const auto earlier = said.empty() ? std::vector<CheckResult>() : parse_findings(said);
  ProbeJob job{.config = {}, .compute = {c10::Device(c10::kCPU), at::kFloat}, .wants = {}};
  Settings settings(options_of(job.config));
  if (read_command_line(rest, settings, /*inputs_allowed=*/false).help) {
    print_text(kProbeUsage);
    return kExitDone;
  }
  validate(job.config, settings);
  settle_vocabulary(job.config);
  const bool native = says_bad(earlier, kCheckAllocator, kItemExpandable);
  if (native) job.config.memory.allocator = "native";
  set_up_allocator(job.config.memory, settings);
  print_line(probe_line({ProbeLine::kBegins, {.check = kCheckDevice, .item = "start"}}));
  job.compute = set_up_machine(job.config.system);
  job.wants = probe_wants(job.config, job.compute);
  settle_plan(job);
  std::vector<CheckResult> findings = earlier;
  const bool answers = run_probe(job, probe_subjects(job), earlier,
                                 {.begins =
                                      [](const CheckResult& check) {
                                        print_line(probe_line({ProbeLine::kBegins, check}));
                                      },
                                  .result =
                                      [&](const CheckResult& result) {
                                        record(findings, result);
                                        print_line(probe_line({ProbeLine::kResult, result}));
                                      }});
  if (!answers) return kExitFailure;
  print_line(probe_line({ProbeLine::kDone, {}}));
  return settle(findings, job.wants).unusable.empty() ? kExitDone : kExitFailure;
}

}  // namespace gpt
