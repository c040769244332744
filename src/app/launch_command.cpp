#include <algorithm>
#include <charconv>

#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/config/command_line.h"
#include "gpt/config/validate.h"
#include "gpt/device/device.h"
#include "gpt/parallel/launcher.h"
#include "gpt/parallel/local_launch.h"

#include "app/commands.h"

namespace gpt {

namespace {

constexpr const char* kLaunchUsage =
    "Usage: gpttrain launch [--nproc=auto|N] [CONFIG.py|CONFIG.json...] [--key=value...]\n"
    "Trains one model with N processes of this machine; auto: one for each NVIDIA card, one\n"
    "without a card. The batch stays the configuration's, and is shared. Stop signals go to all;\n"
    "when a process fails, the others end and its rank is named. torchrun, mpirun and srun start\n"
    "`gpttrain CONFIG...` as well. The keys are those of `gpttrain train`.\n";

constexpr int kMostProcesses = 1024;

int processes_for(const std::string& text, const TrainConfig& config) {
  if (text == "auto")
    return config.system.device == "cpu" ? 1 : std::max(1, device_facts().cuda_devices);
  int count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count < 1 ||
      count > kMostProcesses)
    throw InputError(concat("command line: --nproc: expected auto or a number from 1 to ",
                            kMostProcesses, ", got '", text, "'"));
  return count;
}

// Removes --nproc=N, or --nproc N, from the arguments; its text, "auto" if it is not there.
std::string take_nproc(Arguments& arguments) {
  const std::string flag = "--nproc";
  std::string text = "auto";
  for (auto at = arguments.begin(); at != arguments.end();) {
    if (at->starts_with(flag + "=")) {
      text = at->substr(flag.size() + 1);
      at = arguments.erase(at);
    } else if (*at == flag) {
      at = arguments.erase(at);
      if (at == arguments.end())
        throw InputError("command line: --nproc: expected auto or a number after it");
      text = *at;
      at = arguments.erase(at);
    } else {
      ++at;
    }
  }
  return text;
}

}  // namespace

ExitCode launch_command(const Arguments& arguments) {
  Arguments rest = arguments;
  const std::string nproc = take_nproc(rest);
  if (const LaunchInfo info = launch_info(); info.size > 1)
    throw InputError(
        concat("this process was started by ", info.launcher, " as one of ", info.size,
               "; `gpttrain launch` starts processes itself: run `gpttrain train` here"));
  // A mistake is said once, before any process is there.
  TrainConfig config;
  Settings settings(options_of(config));
  const CommandLine line = read_command_line(rest, settings, /*inputs_allowed=*/false);
  if (line.help) {
    print_text(kLaunchUsage);
    return kExitDone;
  }
  validate(config, settings);
  const int count = processes_for(nproc, config);
  require_enough_sequences(config.data, count);
  if (count == 1 || line.print_config) return train_command(rest);
  rest.insert(rest.begin(), "train");
  return launch_processes(count, rest);
}

}  // namespace gpt
