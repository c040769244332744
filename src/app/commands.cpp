#include "app/commands.h"

#include <algorithm>
#include <utility>

#include <CLI/CLI.hpp>

#include "gpt/base/closed_output.h"
#include "gpt/base/log.h"
#include "gpt/base/process.h"
#include "gpt/base/signal.h"
#include "gpt/base/strings.h"
#include "gpt/base/version.h"
#include "gpt/config/printing.h"
#include "gpt/config/python_reader.h"
#include "gpt/device/device.h"
#include "gpt/train/probe_setup.h"

#include "app/doctor_report.h"
#include "app/version_details.h"

namespace gpt {

namespace {

struct Command {
  const char* name;
  ExitCode (*run)(const Arguments&);
  const char* summary;  // empty: not listed
  bool saves = false;   // at a stop signal, and says 75: it begins with StopSignals
  bool writes = false;  // files; else all that it is for is what it prints
};

constexpr Command kCommands[] = {
    {"train", train_command, "train a model: gpttrain [train] CONFIG... [--key=value...]",
     /*saves=*/true},
    {"launch", launch_command,
     "train with several processes of this machine: gpttrain launch --nproc=N CONFIG...",
     /*saves=*/true},
    {"prepare", prepare_command, "turn text into a dataset: gpttrain prepare --out=DIR TEXT...",
     /*saves=*/true},
    {"data", data_command, "what the tokens of a dataset read like: gpttrain data show FILE:TOKEN"},
    {"sample", sample_command, "let a trained model write: gpttrain sample --out_dir=DIR"},
    {"eval", eval_command,
     "loss, perplexity, HellaSwag, LAMBADA: gpttrain eval --out_dir=DIR FILE..."},
    {"import", import_command, "bring a model: gpttrain import ckpt.pt|FOLDER [--out_dir=DIR]",
     /*saves=*/false, /*writes=*/true},
    {"export", export_command, "take a model: gpttrain export --out_dir=DIR --format=nanogpt|hf",
     /*saves=*/false, /*writes=*/true},
    {"tokenizer", tokenizer_command,
     "a vocabulary of your own: gpttrain tokenizer train --vocab_size=N --out=DIR TEXT...",
     /*saves=*/false, /*writes=*/true},
    {"checkpoint", checkpoint_command, "look at checkpoints: gpttrain checkpoint list|verify DIR"},
    {"plan", plan_command, "what a run will take of memory: gpttrain plan CONFIG [--gpu=rtx3060]"},
    {"report", report_command,
     "the curves of runs as a page: gpttrain report OUT_DIR... [--watch]"},
    {"bench", bench_command, "where a step's time goes: gpttrain bench [CONFIG] [--json]"},
    {"doctor", doctor_command, "what is here, and what is in the way: gpttrain doctor [CONFIG]"},
    {"probe", probe_command, ""},
    {"keys", keys_command, ""},
};

// What is wrong with a device that nothing can compute on, doctor says.
ExitCode run(const Command& command, const Arguments& arguments) {
  try {
    return command.run(arguments);
  } catch (const ProbeError&) {
    print_doctor_report();
    throw;
  }
}

// A bare first argument that is neither a command nor a config file is most likely a mistyped
// command.
void refuse_unknown_command(const std::string& first) {
  if (first.starts_with("-") || first.find('.') != std::string::npos ||
      first.find('/') != std::string::npos)
    return;
  std::vector<std::string> names;
  for (const Command& command : kCommands)
    if (*command.summary) names.emplace_back(command.name);
  const std::string nearest = nearest_word(first, names);
  throw InputError("command line: '" + first + "' is no command (" + join(names, ", ") +
                   ") and no config file" +
                   (nearest.empty() ? "" : "; did you mean " + nearest + "?"));
}

// Such a command ends when nobody reads what it prints. Not `checkpoint verify`, whose exit code
// says what it found.
bool only_prints(const Command* command, const Arguments& arguments) {
  const auto given = [&](const char* word) {
    return std::find(arguments.begin(), arguments.end(), word) != arguments.end();
  };
  if (given("--help") || given("-h")) return true;
  return command && !command->saves && !command->writes &&
         !(command->run == checkpoint_command && given("verify"));
}

}  // namespace

std::optional<CommandLine> read_options(const Arguments& arguments,
                                        const std::vector<Option>& options,
                                        const std::string& usage, bool inputs_allowed) {
  Settings settings(options);
  CommandLine line = read_command_line(arguments, settings, inputs_allowed);
  if (!line.help) return line;
  print_text(usage + help_text(options));
  return std::nullopt;
}

ExitCode run_program(const Arguments& arguments) {
  set_python_machine([] {
    const DeviceFacts facts = device_facts(0);
    return PythonMachine{.cuda_devices = facts.cuda_devices, .cuda_bf16 = facts.cuda_bf16()};
  });
  CLI::App app{"gpttrain " + version() + ": trains GPT-2 on the card you have", "gpttrain"};
  app.set_version_flag("--version", version_details());
  app.require_subcommand(0, 1);
  app.footer(
      "Each command has its own --help. Exit codes: 0 done, 1 failed, 2 wrong input,\n"
      "75 stopped by a signal after saving (the same command resumes).");
  const Command* chosen = nullptr;
  for (const Command& command : kCommands)
    app.add_subcommand(command.name, command.summary)
        ->group(*command.summary ? "Commands" : "")
        ->callback([&chosen, &command] { chosen = &command; });

  // The first word alone: the rest is the command's, and has an application of its own.
  const std::string first = arguments.empty() ? "--help" : arguments.front();
  try {
    app.parse(std::vector<std::string>{first});
  } catch (const CLI::Success& wanted) {
    app.exit(wanted);
    return kExitDone;
  } catch (const CLI::ParseError&) {
    refuse_unknown_command(first);
  }
  ignore_broken_pipes();
  if (only_prints(chosen, arguments)) end_when_output_closes();
  if (!chosen) return run(kCommands[0], arguments);
  if (!chosen->saves) release_stop_signals();
  const ExitCode code = run(*chosen, Arguments(arguments.begin() + 1, arguments.end()));
  // What these print is all that they are for.
  return !chosen->saves && code == kExitDone && stdout_failed() ? kExitFailure : code;
}

}  // namespace gpt
