#include "app/verbs.h"

#include <algorithm>
#include <utility>

#include <CLI/CLI.hpp>

#include "gpt/base/log.h"
#include "gpt/base/process.h"
#include "gpt/base/signal.h"
#include "gpt/base/strings.h"

#include "app/version.h"

namespace gpt {

namespace {

struct Verb {
  const char* name;
  ExitCode (*run)(const Arguments&);
  const char* summary;  // empty: not listed
  bool saves = false;   // at a stop signal, and says 75: it begins with StopSignals
};

constexpr Verb kVerbs[] = {
    {"train", train_verb, "train a model: gpttrain [train] CONFIG... [--key=value...]",
     /*saves=*/true},
    {"prepare", prepare_verb, "turn text into a dataset: gpttrain prepare --out=DIR TEXT...",
     /*saves=*/true},
    {"sample", sample_verb, "let a trained model write: gpttrain sample --out_dir=DIR"},
    {"eval", eval_verb,
     "loss, perplexity, HellaSwag, LAMBADA: gpttrain eval --out_dir=DIR FILE..."},
    {"import", import_verb, "bring a model: gpttrain import ckpt.pt|FOLDER [--out_dir=DIR]"},
    {"export", export_verb, "take a model: gpttrain export --out_dir=DIR --format=nanogpt|hf"},
    {"checkpoint", checkpoint_verb, "look at checkpoints: gpttrain checkpoint list|verify DIR"},
    {"plan", plan_verb, "what a run will take of memory: gpttrain plan CONFIG [--gpu=rtx3060]"},
    {"bench", bench_verb, "where a step's time goes: gpttrain bench [CONFIG] [--json]"},
    {"doctor", doctor_verb, "what is here, and what is in the way: gpttrain doctor [CONFIG]"},
    {"keys", keys_verb, ""},
};

const Verb* find_verb(const std::string& name) {
  const auto* found = std::find_if(std::begin(kVerbs), std::end(kVerbs),
                                   [&](const Verb& verb) { return name == verb.name; });
  return found == std::end(kVerbs) ? nullptr : found;
}

// A bare first argument that is neither a verb nor a config file is most likely a mistyped verb.
void refuse_unknown_verb(const std::string& first) {
  if (first.starts_with("-") || first.find('.') != std::string::npos ||
      first.find('/') != std::string::npos)
    return;
  std::vector<std::string> names;
  for (const Verb& verb : kVerbs)
    if (*verb.summary) names.emplace_back(verb.name);
  const std::string nearest = nearest_word(first, names);
  throw InputError("command line: '" + first + "' is no verb (" + join(names, ", ") +
                   ") and no config file" +
                   (nearest.empty() ? "" : "; did you mean " + nearest + "?"));
}

}  // namespace

ExitCode run_program(const Arguments& arguments) {
  CLI::App app{"gpttrain " + version() + ": trains GPT-2 on the card you have", "gpttrain"};
  app.set_version_flag("--version", version_details());
  app.require_subcommand(0, 1);
  app.footer(
      "Each verb has its own --help. Exit codes: 0 done, 1 failed, 2 wrong input,\n"
      "75 stopped by a signal after saving (the same command goes on).");
  for (const Verb& verb : kVerbs)
    app.add_subcommand(verb.name, verb.summary)->group(*verb.summary ? "Verbs" : "");

  const std::string first = arguments.empty() ? "--help" : arguments.front();
  if (const Verb* verb = find_verb(first)) {
    if (verb->saves) ignore_broken_pipes();
    if (!verb->saves) release_stop_signals();
    const ExitCode code = verb->run(Arguments(arguments.begin() + 1, arguments.end()));
    // What these print is all that they are for.
    return !verb->saves && code == kExitDone && stdout_failed() ? kExitFailure : code;
  }
  if (first == "--help" || first == "-h" || first == "--version") {
    try {
      app.parse(std::vector<std::string>{first});
    } catch (const CLI::Success& wanted) {
      app.exit(wanted);
    }
    return kExitDone;
  }
  refuse_unknown_verb(first);
  ignore_broken_pipes();
  return train_verb(arguments);
}

}  // namespace gpt
