#include <algorithm>
#include <optional>

#include <nlohmann/json.hpp>

#include "gpt/base/files.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"
#include "gpt/config/command_line.h"
#include "gpt/config/eval_config.h"
#include "gpt/config/printing.h"
#include "gpt/train/model_scorer.h"
#include "gpt/train/task_file.h"

#include "app/commands.h"
#include "app/decoder_setup.h"
#include "app/open_model.h"

namespace gpt {

namespace {

using nlohmann::ordered_json;

constexpr const char* kEvalUsage =
    "Usage: gpttrain eval --out_dir=DIR FILE... [--key=value...]\n\n"
    "FILE is a text, a .bin of tokens, the folder of a dataset (its val.bin is taken),\n"
    "HellaSwag (hellaswag_val.jsonl, or llm.c's hellaswag_val.bin) or, with\n"
    "--task=lambada, lambada_test.jsonl.\n\n"
    "What others published for OpenAI's GPT-2 124M, as targets: HellaSwag acc 0.2859,\n"
    "acc_norm 0.2955 (llm.c); 0.2892, 0.3114 (lm-eval); LAMBADA acc 0.3256,\n"
    "perplexity 40.06 (lm-eval); OpenWebText val loss 3.12 (nanoGPT).\n\n";

// What is asked of one input, settled.
struct Job {
  const EvalConfig& config;
  const Scorer& scorer;
  const OpenModel& model;
  std::int64_t batch;
  TaskOptions options;
};

// Texts of JSON objects are not guessed at: they might be anybody's.
std::string settled_task(const std::string& asked, const std::string& input) {
  if (asked != "auto") return asked;
  const std::string task = task_of(input);
  if (task == "lambada")
    throw InputError(input +
                     ": which task is this? Say --task=lambada, or prepare a text of its rows");
  return task;
}

void evaluate(const Job& job, const std::string& input) {
  const std::string task = settled_task(job.config.task, input);
  const auto file = open_task(task, input, job.options);
  std::optional<ProgressLine> line;
  const auto result =
      file->score(job.scorer, job.batch, [&](double done, double total, double value) {
        if (!line) line.emplace("eval " + input, total);
        line->update(done, format("%s %.4f", file->measure(), value));
        return true;
      });
  line.reset();
  if (!job.config.json) return print_line(input + ": " + file->sentence(result));
  ordered_json all{{"file", input}, {"task", task}, {"model", job.model.name}};
  for (const auto& [key, value] : result)
    std::visit([&, name = key](const auto& what) { all[name] = what; }, value);
  print_line(all.dump(-1, ' ', false, ordered_json::error_handler_t::replace));
}

Job settled_job(const EvalConfig& config, const Settings& settings, const Decoder& decoder,
                const Scorer& scorer, const OpenModel& model) {
  constexpr std::int64_t kTokens = 8192;
  const std::int64_t block = decoder.block_size(), context = config.context.or_else(block);
  if (context > block)
    throw InputError(concat(settings.origin("context"), ": context: the model reads at most ",
                            block, " tokens, got ", context));
  const std::int64_t stride = config.stride.or_else(context);
  if (stride > context)
    throw InputError(concat(settings.origin("stride"), ": stride: expected at most context (",
                            context, "), or tokens would be left out; got ", stride));
  const std::int64_t batch =
      config.eval_batch_size.or_else(std::clamp<std::int64_t>(kTokens / context, 1, 64));
  const auto tokenizer = [&config, &model, rows = decoder.vocab_size()] {
    return tokenizer_for(model, config.open.tokenizer, rows);
  };
  return {config,
          scorer,
          model,
          batch,
          {.context = context,
           .stride = stride,
           .vocab_size = decoder.vocab_size(),
           .lm_eval = config.style == "lm-eval",
           .score_first = config.score_first,
           .tokenizer = tokenizer,
           .loss_mask = config.loss_mask == "auto",
           .bytes_needed = !config.open.tokenizer.empty(),
           .model = model.name}};
}

// Of a dataset's folder, what it is evaluated on.
std::string settled_input(const std::string& input) {
  std::error_code ignored;
  if (fs::is_regular_file(input, ignored)) return input;
  const fs::path val = fs::path(input) / "val.bin";
  if (fs::is_regular_file(val, ignored)) return val.string();
  throw InputError(input + (fs::is_directory(input, ignored)
                                ? ": a folder without val.bin; name its files"
                                : ": no such file; expected a text, a .bin or a .jsonl"));
}

}  // namespace

ExitCode eval_command(const Arguments& arguments) {
  EvalConfig config;
  Settings settings(options_of(config));
  CommandLine line = read_command_line(arguments, settings, /*inputs_allowed=*/true,
                                       /*configs_among_inputs=*/true);
  if (line.help) {
    print_text(kEvalUsage + help_text(options_of(config)));
    return kExitDone;
  }
  if (line.inputs.empty())
    throw InputError("command line: nothing to evaluate: name texts, .bin or .jsonl files");
  for (std::string& input : line.inputs) input = settled_input(input);
  expect_memory_limit(config.open.memory_limit);
  OpenModel model = open_model(config.open);
  const Compute compute = set_up_device(config.open, model);
  const auto decoder = set_up_decoder(model, compute, config.open.memory_limit);
  const Scorer scorer = model_scorer(*decoder, config.head_chunk.or_else(0));
  const Job job = settled_job(config, settings, *decoder, scorer, model);
  for (const std::string& input : line.inputs) evaluate(job, input);
  return kExitDone;
}

}  // namespace gpt
