#include <nlohmann/json.hpp>

#include "gpt/base/drawing.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/config/command_line.h"
#include "gpt/config/printing.h"
#include "gpt/config/validate.h"
#include "gpt/memory/communication.h"
#include "gpt/memory/plan_text.h"
#include "gpt/parallel/process_group.h"
#include "gpt/train/machine.h"
#include "gpt/train/machine_plan.h"
#include "gpt/train/run_length.h"

#include "app/commands.h"
#include "app/plan_json.h"
#include "app/plan_length.h"

namespace gpt {

namespace {

constexpr const char* kPlanUsage =
    "Usage: gpttrain plan [CONFIG.py|CONFIG.json...] [--key=value...]\n"
    "                     [--gpu=NAME] [--world_size=N --link=NAME] [--tokens=10B] [--json]\n"
    "How a run will fit into memory, without starting it. --gpu=rtx3060 plans for a\n"
    "card that need not be here; without it, for this machine. --memory_limit=11.69GiB\n"
    "caps either. Keys fixed by hand stay as they are. Exit code 1 if nothing fits.\n"
    "Besides the keys of train:\n\n";

// The last of so many processes, which has the most to do, on a machine of its own.
class Planned : public ProcessGroup {
 public:
  explicit Planned(std::int64_t size) : size_(static_cast<int>(size)) {}
  int rank() const override { return size_ - 1; }
  int size() const override { return size_; }

 private:
  int size_;
};

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
  settle_run_length(config, settings);
  settle_vocabulary(config);
  const std::int64_t tokens =
      asked.tokens.empty() ? 0 : token_count(asked.tokens, settings.origin("tokens"));
  const Link link = find_link(asked.link);
  require_enough_sequences(config.data, static_cast<int>(asked.world_size));
  const MachinePlan planned =
      asked.gpu.empty() ? plan_for(config, set_up_machine(config.system), Planned(asked.world_size))
                        : plan_for_gpu(config, asked.gpu, asked.world_size);
  const Workload& workload = planned.planner.workload();
  const auto& best = planned.ranked.best;
  const double exchange = workload.processes > 1 ? exchange_seconds(workload, link) : 0;
  const double hidden = best ? hidden_seconds(workload, *best, link) : 0;
  const double step = (best ? best->seconds : 0) + exchange - hidden;
  if (asked.json) {
    auto json = to_json(planned);
    if (workload.processes > 1) json["exchange_seconds"] = exchange;
    if (workload.processes > 1) json["hidden_seconds"] = hidden;
    if (best) json["length"] = length_json(config, step, tokens);
    print_text(json.dump(2) + "\n");
  } else {
    print_text(plan_text(planned.planner, planned.ranked));
    if (best && workload.processes > 1) print_text(exchange_text(workload, *best, link));
    if (best) print_drawing(length_text(config, step, tokens));
    const std::string nearest = best ? "" : nearest_that_fits(planned.planner);
    if (!nearest.empty()) print_line("this fits: " + nearest);
  }
  return best ? kExitDone : kExitFailure;
}

}  // namespace gpt
