#include <algorithm>
#include <cmath>
#include <map>

#include <nlohmann/json.hpp>

#include "gpt/base/files.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"
#include "gpt/config/command_line.h"
#include "gpt/config/eval_config.h"
#include "gpt/config/printing.h"
#include "gpt/data/token_file.h"
#include "gpt/eval/hellaswag.h"
#include "gpt/eval/lambada.h"
#include "gpt/eval/perplexity.h"

#include "app/commands.h"
#include "app/decoder_setup.h"
#include "app/model_scorer.h"
#include "app/open_model.h"

namespace gpt {

namespace {

using nlohmann::ordered_json;

constexpr const char* kEvalUsage =
    "Usage: gpttrain eval --out_dir=DIR FILE... [--key=value...]\n\n"
    "FILE is a text, a .bin of tokens, HellaSwag (hellaswag_val.jsonl, or llm.c's\n"
    "hellaswag_val.bin) or, with --task=lambada, lambada_test.jsonl.\n\n"
    "What others published for OpenAI's GPT-2 124M, as targets: HellaSwag acc 0.2859,\n"
    "acc_norm 0.2955 (llm.c); 0.2892, 0.3114 (lm-eval); LAMBADA acc 0.3256,\n"
    "perplexity 40.06 (lm-eval); OpenWebText val loss 3.12 (nanoGPT).\n\n";

// What is asked of one input, settled.
struct Job {
  const EvalConfig& config;
  const Decoder& decoder;
  const Scorer& scorer;
  const OpenModel& model;
  std::int64_t context, stride, batch;
};

std::unique_ptr<Tokenizer> tokenizer_of(const Job& job) {
  return tokenizer_for(job.model, job.config.open.tokenizer, job.decoder.vocab_size());
}

std::string text_of(const std::string& input) {
  constexpr std::uint64_t kLargest = 256 << 20;  // its tokens take several times as much
  return read_small_file(input, kLargest, "a text (prepare a larger one and give its .bin)");
}

std::string settled_task(const std::string& asked, const std::string& input) {
  if (asked != "auto") return asked;
  if (input.ends_with(".bin")) return is_hellaswag_bin(input) ? "hellaswag" : "tokens";
  if (!input.ends_with(".jsonl")) return "text";
  const std::string text = text_of(input);
  if (text.substr(0, text.find('\n')).find("\"endings\"") != text.npos) return "hellaswag";
  throw InputError(input + ": which task is this? Say --task=hellaswag or --task=lambada");
}

// Draws a progress line; `what` names the running result.
class Progress {
 public:
  Progress(const std::string& title, const char* what) : title_(title), what_(what) {}
  EvalProgress taker() {
    return [this](double done, double total, double result) {
      if (!line_) line_.emplace("eval " + title_, total);
      line_->update(done, format("%s %.4f", what_, result));
    };
  }

 private:
  std::string title_;
  const char* what_;
  std::optional<ProgressLine> line_;
};

std::int64_t byte_count(const Tokenizer& tokenizer, std::int64_t token) {
  if (tokenizer.end_of_text() && token == *tokenizer.end_of_text()) return 0;
  std::string bytes;
  tokenizer.append_text(token, bytes);
  return static_cast<std::int64_t>(bytes.size());
}

// Nothing where the model's tokens have no text that we know: losses need none.
std::unique_ptr<Tokenizer> tokenizer_if_known(const Job& job) {
  try {
    return tokenizer_of(job);
  } catch (const InputError& error) {
    if (!job.config.open.tokenizer.empty()) throw;
    log_warning(std::string(error.what()) + "; so bytes are not counted");
    return nullptr;
  }
}

ordered_json perplexity_of(const Job& job, const TokenSource& source, const std::string& input,
                           const Tokenizer* tokenizer) {
  PerplexityOptions options{.context = job.context, .stride = job.stride, .batch = job.batch};
  if (job.config.score_first) {
    if (!tokenizer || !tokenizer->end_of_text())
      throw InputError("score_first: the tokenizer of " + job.model.name +
                       " has no <|endoftext|> to read before the text");
    options.before = *tokenizer->end_of_text();
  }
  Progress progress(input, "loss");
  const Perplexity result = perplexity(source, input, options, job.scorer, progress.taker());
  ordered_json json{{"tokens", result.tokens}, {"nats", result.nats},
                    {"loss", result.loss()},   {"perplexity", result.perplexity()},
                    {"context", job.context},  {"stride", job.stride}};
  if (result.bytes) json["bytes"] = *result.bytes;
  if (const auto bits = result.bits_per_byte()) json["bits_per_byte"] = *bits;
  return json;
}

ordered_json tokens_result(const Job& job, const std::string& input) {
  const TokenFile file(input, /*block_size=*/1, job.decoder.vocab_size());
  const auto tokenizer = tokenizer_if_known(job);
  TokenSource source{.size = file.size(),
                     .copy = [&](std::int64_t begin, std::int64_t count, std::int64_t* out) {
                       file.copy(begin, count, out);
                     }};
  std::vector<std::int64_t> bytes;  // of each token
  if (tokenizer) {
    for (std::int64_t token = 0; token < tokenizer->vocab_size(); ++token)
      bytes.push_back(byte_count(*tokenizer, token));
    source.bytes = [&](std::int64_t token) {
      return token < tokenizer->vocab_size() ? bytes[static_cast<std::size_t>(token)] : 0;
    };
  }
  return perplexity_of(job, source, input, tokenizer.get());
}

ordered_json text_result(const Job& job, const std::string& input) {
  const auto tokenizer = tokenizer_of(job);
  const auto tokens = tokenizer->encode(text_of(input), input);
  const TokenSource source{
      .size = static_cast<std::int64_t>(tokens.size()),
      .copy = [&](std::int64_t begin, std::int64_t count,
                  std::int64_t* out) { std::copy_n(tokens.begin() + begin, count, out); },
      .bytes = [&](std::int64_t token) { return byte_count(*tokenizer, token); }};
  return perplexity_of(job, source, input, tokenizer.get());
}

double share(std::int64_t part, std::int64_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

// Of a share: sqrt(p (1 - p) / (n - 1)), lm-eval's.
double standard_error(std::int64_t part, std::int64_t whole) {
  const double p = share(part, whole);
  return whole > 1 ? std::sqrt(p * (1 - p) / static_cast<double>(whole - 1)) : 0;
}

std::vector<ChoiceExample> read_hellaswag(const Job& job, const std::string& input) {
  const bool lm_eval = job.config.style == "lm-eval";
  if (!is_hellaswag_bin(input)) {
    const auto tokenizer = tokenizer_of(job);
    return read_hellaswag_jsonl(input, *tokenizer,
                                lm_eval ? HellaswagStyle::kLmEval : HellaswagStyle::kLlmc);
  }
  if (!lm_eval) return read_hellaswag_bin(input, job.decoder.vocab_size(), nullptr);
  log_warning(input + ": its tokens are of llm.c's texts; lm-eval's clean-up needs the .jsonl");
  const auto tokenizer = tokenizer_of(job);
  return read_hellaswag_bin(input, job.decoder.vocab_size(), tokenizer.get());
}

ordered_json hellaswag_result(const Job& job, const std::string& input) {
  const auto examples = read_hellaswag(job, input);
  Progress progress(input, "acc_norm");
  const ChoiceAccuracy result =
      score_choices(examples, job.context, job.batch, job.scorer, progress.taker());
  const std::int64_t normed = job.config.style == "lm-eval" ? result.by_character : result.by_mean;
  if (result.cut > 0)
    log_warning(concat(input, ": ", result.cut, " of ", result.examples,
                       " contexts were cut at their beginning to fit ", job.context, " tokens"));
  return {{"style", job.config.style},
          {"examples", result.examples},
          {"acc", share(result.by_sum, result.examples)},
          {"acc_stderr", standard_error(result.by_sum, result.examples)},
          {"acc_norm", share(normed, result.examples)},
          {"acc_norm_stderr", standard_error(normed, result.examples)}};
}

ordered_json lambada_result(const Job& job, const std::string& input) {
  const auto tokenizer = tokenizer_of(job);
  const auto examples = read_lambada(input, *tokenizer);
  Progress progress(input, "acc");
  const LastWordScore result =
      score_last_words(examples, job.context, job.batch, job.scorer, progress.taker());
  return {{"examples", result.examples},
          {"acc", result.accuracy()},
          {"acc_stderr", standard_error(result.right, result.examples)},
          {"perplexity", result.perplexity()}};
}

std::string sentence(const std::string& task, const ordered_json& result) {
  const auto number = [&](const char* key) { return result.at(key).get<double>(); };
  const auto count = [&](const char* key) {
    return with_commas(result.at(key).get<std::int64_t>());
  };
  if (task == "hellaswag")
    return format("acc %.4f +- %.4f, acc_norm %.4f +- %.4f over %s examples (%s)", number("acc"),
                  number("acc_stderr"), number("acc_norm"), number("acc_norm_stderr"),
                  count("examples").c_str(), result.at("style").get<std::string>().c_str());
  if (task == "lambada")
    return format("acc %.4f +- %.4f, perplexity %.4f over %s last words", number("acc"),
                  number("acc_stderr"), number("perplexity"), count("examples").c_str());
  std::string text =
      format("loss %.4f nats a token, perplexity %.4f", number("loss"), number("perplexity"));
  if (result.contains("bits_per_byte"))
    text += format(", %.4f bits a byte", number("bits_per_byte"));
  return text + format(" over %s tokens (context %s, stride %s)", count("tokens").c_str(),
                       count("context").c_str(), count("stride").c_str());
}

void evaluate(const Job& job, const std::string& input) {
  static const std::map<std::string, ordered_json (*)(const Job&, const std::string&)> kTasks{
      {"tokens", tokens_result},
      {"text", text_result},
      {"hellaswag", hellaswag_result},
      {"lambada", lambada_result}};
  const std::string task = settled_task(job.config.task, input);
  const ordered_json result = kTasks.at(task)(job, input);
  if (!job.config.json) return print_line(input + ": " + sentence(task, result));
  ordered_json all{{"file", input}, {"task", task}, {"model", job.model.name}};
  all.update(result);
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
  return {config, decoder, scorer, model, context, stride, batch};
}

}  // namespace

ExitCode eval_command(const Arguments& arguments) {
  EvalConfig config;
  Settings settings(options_of(config));
  const CommandLine line = read_command_line(arguments, settings, /*inputs_allowed=*/true,
                                             /*configs_among_inputs=*/true);
  if (line.help) {
    print_text(kEvalUsage + help_text(options_of(config)));
    return kExitDone;
  }
  if (line.inputs.empty())
    throw InputError("command line: nothing to evaluate: name texts, .bin or .jsonl files");
  std::error_code ignored;
  for (const std::string& input : line.inputs)
    if (!fs::is_regular_file(input, ignored))
      throw InputError(input + ": no such file; expected a text, a .bin or a .jsonl");
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
