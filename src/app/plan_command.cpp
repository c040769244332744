#include <nlohmann/json.hpp>

#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/config/command_line.h"
#include "gpt/config/printing.h"
#include "gpt/config/validate.h"
#include "gpt/memory/plan_text.h"
#include "gpt/train/machine.h"
#include "gpt/train/machine_plan.h"

#include "app/commands.h"
#include "app/plan_json.h"

namespace gpt {

namespace {

constexpr const char* kPlanUsage =
    "Usage: gpttrain plan [CONFIG.py|CONFIG.json...] [--key=value...]\n"
    "                     [--gpu=NAME] [--json]\n"
    "How a run will fit into memory, without starting it. --gpu=rtx3060 plans for a\n"
    "card that need not be here; without it, for this machine. --memory_limit=11.69GiB\n"
    "caps either. Keys fixed by hand stay as they are. Exit code 1 if nothing fits.\n"
    "Besides the keys of train:\n\n";

}  // namespace

ExitCode plan_command(const Arguments& arguments) {
  TrainConfig config;
  PlanConfig asked;
  std::vector<Option> all = options_of(config);
  for (const Option& option : options_of(asked)) all.push_back(option);
  Settings settings(all);
  const CommandLine line = read_command_line(arguments, settings, /*inputs_allowed=*/false);
  if (line.help) {
    print_text(kPlanUsage + help_text(options_of(asked)));
    return kExitDone;
  }
  validate(config, settings);
  settle_vocabulary(config);
  const MachinePlan planned = asked.gpu.empty() ? plan_for(config, set_up_machine(config.system))
                                                : plan_for_gpu(config, asked.gpu);
  if (asked.json) {
    print_text(to_json(planned).dump(2) + "\n");
  } else {
    print_text(plan_text(planned.planner, planned.ranked));
    const std::string nearest = planned.ranked.best ? "" : nearest_that_fits(planned.planner);
    if (!nearest.empty()) print_line("this fits: " + nearest);
  }
  return planned.ranked.best ? kExitDone : kExitFailure;
}

}  // namespace gpt
