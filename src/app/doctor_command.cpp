#include <algorithm>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "gpt/base/log.h"
#include "gpt/config/command_line.h"
#include "gpt/config/resolve.h"
#include "gpt/config/validate.h"
#include "gpt/train/dataset.h"
#include "gpt/train/machine.h"

#include "app/commands.h"
#include "app/doctor_report.h"

namespace gpt {

namespace {

constexpr const char* kDoctorUsage =
    "Usage: gpttrain doctor [CONFIG.py|CONFIG.json...] [--key=value...] [--json]\n"
    "What a bug report needs: program, libraries, driver, cards and who holds them, the\n"
    "machine, the memory plan of the config if there is one, whether its data are what\n"
    "their meta.json says (every byte is read), and what to do next. Exit code 1 if the\n"
    "run cannot work here, 2 if the config is wrong.\n";

// The config error is part of the report, not the end of it.
bool read_config(const Arguments& arguments, TrainConfig& config, DoctorFacts& facts) {
  Settings settings(options_of(config));
  try {
    if (read_command_line(arguments, settings, /*inputs_allowed=*/false).help) return false;
    validate(config, settings);
    if (facts.asked_config) settle_vocabulary(config);
  } catch (const InputError& error) {
    facts.config_error = error.what();
  }
  return true;
}

// Reads every byte of the data.
std::string data_error(TrainConfig config) {
  config.data.verify_data = true;
  try {
    open_dataset(config);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

void plan_config(TrainConfig& config, DoctorFacts& facts) {
  if (!facts.asked_config || !facts.config_error.empty()) return;
  facts.missing_data = missing_data(config);
  if (facts.missing_data.empty()) facts.data_error = data_error(config);
  try {
    const Compute compute = set_up_machine(config.system);
    facts.config = config;
    facts.planned = plan_for(config, compute);
  } catch (const UnusableGpu&) {  // the verdict says why
    facts.refused_gpu = true;
  } catch (const InputError& error) {  // such as a card that is not there
    facts.config_error = error.what();
  }
}

}  // namespace

void print_doctor_report() {
  DoctorFacts facts = machine_facts(TrainConfig());
  facts.cpu_probe = probe_cpu();
  print_text(doctor_text(facts, verdict(facts, static_cast<unsigned>(getpid()))));
}

ExitCode doctor_command(const Arguments& arguments) {
  Arguments rest = arguments;
  const bool json = std::erase(rest, "--json") > 0;
  TrainConfig config;
  DoctorFacts asked;
  asked.asked_config = !rest.empty();
  if (!read_config(rest, config, asked)) {
    print_text(kDoctorUsage);
    return kExitDone;
  }
  // Before the plan: what it takes itself is none of the machine's.
  DoctorFacts facts = machine_facts(config);
  facts.cpu_probe = probe_cpu();
  facts.asked_config = asked.asked_config;
  facts.config_error = asked.config_error;
  plan_config(config, facts);
  const auto findings = verdict(facts, static_cast<unsigned>(getpid()));
  print_text(
      json
          ? to_json(facts, findings).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) +
                "\n"
          : doctor_text(facts, findings));
  if (!facts.config_error.empty()) return kExitBadInput;
  return !findings.empty() && findings.front().level == Finding::kProblem ? kExitFailure
                                                                          : kExitDone;
}

}  // namespace gpt
