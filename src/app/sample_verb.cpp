#include <array>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "gpt/base/files.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"
#include "gpt/checkpoint/run_state.h"
#include "gpt/config/command_line.h"
#include "gpt/config/printing.h"
#include "gpt/kernels/autocast.h"
#include "gpt/model/generate.h"
#include "gpt/text/char_tokenizer.h"

#include "app/run_start.h"
#include "app/setup.h"
#include "app/verbs.h"

namespace gpt {

namespace {

CheckpointInfo at_path(const fs::path& path) {
  CheckpointInfo info{.path = path, .step = 0, .good = false, .problem = "", .manifest = {}};
  info.problem = CheckpointStore::verify(path, &info.manifest);
  if (!info.problem.empty()) throw InputError(path.string() + ": " + info.problem);
  info.good = true;
  info.step = info.manifest.step;
  return info;
}

CheckpointInfo choose_checkpoint(const SampleConfig& config) {
  if (config.checkpoint != "auto" && config.checkpoint != "latest" && config.checkpoint != "best")
    return at_path(config.checkpoint);
  std::error_code ignored;
  if (!fs::is_directory(config.out_dir, ignored))
    throw InputError(config.out_dir + ": no such folder; expected the out_dir of a run");
  const CheckpointStore store(config.out_dir, 2);
  auto newest = store.newest_good();
  if (!newest)
    throw InputError(config.out_dir + ": no good checkpoint here; `gpttrain checkpoint verify " +
                     config.out_dir + "` says why");
  const bool best =
      config.checkpoint == "best" ||
      (config.checkpoint == "auto" && !saved_config(*newest).io.always_save_checkpoint);
  if (!best) return *newest;
  auto found = store.best_good();
  if (!found && config.checkpoint == "best")
    throw InputError(config.out_dir + ": no checkpoint is marked best; --checkpoint=latest exists");
  return found ? *found : *newest;
}

std::string start_text(const std::string& start) {
  constexpr std::string_view kFile = "FILE:";
  return start.starts_with(kFile) ? read_file(start.substr(kFile.size())) : start;
}

CharTokenizer tokenizer_of(const CheckpointInfo& checkpoint) {
  if (checkpoint.manifest.vocabulary_json.empty())
    throw InputError(checkpoint.path.string() +
                     ": its dataset had no meta.json, so its tokens have no text; this version "
                     "reads character vocabularies only");
  return CharTokenizer::from_json(checkpoint.manifest.vocabulary_json,
                                  (checkpoint.path / "manifest.json").string() + " (vocabulary)");
}

void show(const std::string& text) {
  print_text(stdout_is_terminal() ? terminal_safe(text) : text);
}

}  // namespace

ExitCode sample_verb(const Arguments& arguments) {
  SampleConfig config;
  Settings settings(knobs(config));
  const CommandLine line = read_command_line(arguments, settings, /*inputs_allowed=*/false);
  if (line.help) {
    print_text("Usage: gpttrain sample [--key=value...]\n\n" + help_text(knobs(config)));
    return kExitDone;
  }
  if (config.init_from != "resume")
    throw InputError(settings.origin("init_from") + ": init_from=" + config.init_from +
                     ": this version cannot load OpenAI's weights yet; resume works");
  const CheckpointInfo checkpoint = choose_checkpoint(config);
  const TrainConfig saved = saved_config(checkpoint);
  const CharTokenizer tokenizer = tokenizer_of(checkpoint);
  const std::string start = start_text(config.start);
  const auto prompt = tokenizer.encode(start, settings.origin("start") + ": start");
  if (prompt.empty()) throw InputError("start: the text is empty; expected at least one character");
  const Compute compute = set_up_machine(config.device, config.dtype, config.threads, false);

  // One generator for the model's (discarded) weights and the draws, as in nanoGPT's sample.py.
  at::Generator generator = at::detail::createCPUGenerator(static_cast<std::uint64_t>(config.seed));
  Gpt model(saved.model, saved.model.vocab_size.or_else(tokenizer.vocab_size()),
            saved.data.block_size, generator);
  load_model(checkpoint.path, model);
  model.to(compute.device);
  const GenerateOptions options{.max_new_tokens = config.max_new_tokens,
                                .temperature = config.temperature,
                                .top_k = config.top_k,
                                .vocabulary = tokenizer.vocab_size()};
  for (std::int64_t sample = 0; sample < config.num_samples; ++sample) {
    show(start);
    const AutocastGuard autocast(compute.device.type(), compute.type);
    generate(model, prompt, options, compute.device, generator, [&](std::int64_t token) {
      show(tokenizer.decode(std::array{token}));
      return true;
    });
    print_text("\n---------------\n");
  }
  return kExitDone;
}

}  // namespace gpt
