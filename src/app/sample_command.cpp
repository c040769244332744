#include <algorithm>

#include "gpt/base/error.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/config/command_line.h"
#include "gpt/config/printing.h"
#include "gpt/sampling/generate.h"

#include "app/commands.h"
#include "app/decoder_setup.h"
#include "app/interactive.h"
#include "app/open_model.h"
#include "app/prompt_text.h"
#include "app/sample_run.h"
#include "app/sample_screen.h"

namespace gpt {

namespace {

std::optional<std::int64_t> stop_token(const std::string& stop, const Tokenizer& tokenizer,
                                       const std::string& origin) {
  constexpr std::string_view kId = "ID:";
  if (stop.empty()) return std::nullopt;
  if (stop.starts_with(kId)) {
    const std::string digits = stop.substr(kId.size());
    const bool number =
        !digits.empty() && digits.size() < 10 &&
        std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (number && std::stoll(digits) < tokenizer.vocab_size()) return std::stoll(digits);
    throw InputError(concat(origin, ": stop: expected ID: and a number below ",
                            tokenizer.vocab_size(), ", got ", stop));
  }
  const auto ids = tokenizer.encode(stop, origin + ": stop", {.added_tokens = true});
  if (ids.size() != 1)
    throw InputError(concat(origin, ": stop: expected the text of one token, but this one takes ",
                            ids.size(), "; ID:NUMBER names a token by its number"));
  return ids.front();
}

std::int64_t samples_at_once(const SampleConfig& config, const Decoder& decoder,
                             std::size_t prompt) {
  constexpr std::int64_t kBytes = std::int64_t{1} << 30, kMost = 32;
  const std::int64_t tokens =
      std::min(decoder.block_size(), static_cast<std::int64_t>(prompt) + config.max_new_tokens);
  const std::int64_t fit = std::max<std::int64_t>(1, kBytes / decoder.cache_bytes(1, tokens));
  return std::min(config.num_samples, config.samples_at_once.or_else(std::min(kMost, fit)));
}

GenerateOptions generate_options(const SampleConfig& config, const Tokenizer& tokenizer,
                                 const std::string& stop_origin) {
  return {.max_new_tokens = config.max_new_tokens,
          .draw = {.temperature = config.temperature,
                   .top_k = config.top_k,
                   .top_p = config.top_p,
                   .repetition_penalty = config.repetition_penalty,
                   .vocabulary = tokenizer.vocab_size()},
          .stop = stop_token(config.stop, tokenizer, stop_origin),
          .when_full = config.when_full == "half"   ? WhenFull::kHalf
                       : config.when_full == "stop" ? WhenFull::kStop
                                                    : WhenFull::kCrop};
}

std::string rate(std::int64_t tokens, double seconds) {
  return format("%s token(s) in %.2f s (%.1f tok/s)", with_commas(tokens).c_str(), seconds,
                static_cast<double>(tokens) / std::max(seconds, 1e-9));
}

void write_samples(const SampleConfig& config, const OpenModel& model, const Decoder& decoder,
                   const Tokenizer& tokenizer, const std::string& start,
                   const std::vector<std::int64_t>& prompt, const GenerateOptions& options) {
  SampleScreen screen(tokenizer, start, config.num_samples, print_exactly);
  SampleRun run(config, model, decoder, screen, samples_at_once(config, decoder, prompt.size()));
  const GenerateTimes all = run.write(prompt, options);
  log_info("prompt: " + rate(all.prompt_tokens, all.prefill) +
           "; new: " + rate(all.new_tokens, all.decode) +
           (run.at_once() > 1 ? concat(", ", run.at_once(), " samples at a time") : ""));
}

}  // namespace

ExitCode sample_command(const Arguments& arguments) {
  SampleConfig config;
  Settings settings(options_of(config));
  const CommandLine line = read_command_line(arguments, settings, /*inputs_allowed=*/false);
  if (line.help) {
    print_text("Usage: gpttrain sample [CONFIG.py|CONFIG.json...] [--key=value...]\n\n" +
               help_text(options_of(config)));
    return kExitDone;
  }
  expect_memory_limit(config.open.memory_limit);
  OpenModel model = open_model(config.open);
  const std::int64_t vocab_size = vocabulary_of(model);
  const auto tokenizer = tokenizer_for(model, config.open.tokenizer, vocab_size);
  const GenerateOptions options = generate_options(config, *tokenizer, settings.origin("stop"));
  std::string start;
  std::vector<std::int64_t> prompt;
  if (!config.interactive) {
    start = prompt_text(config.start);
    prompt = tokenizer->encode(start, settings.origin("start") + ": start", {.added_tokens = true});
    if (prompt.empty())
      throw InputError("start: the text is empty; expected at least one character");
  }
  const Compute compute = set_up_device(config.open, model);
  const auto decoder = set_up_decoder(model, compute, config.open.memory_limit);
  if (config.interactive)
    answer_lines(config, model, *decoder, *tokenizer, options);
  else
    write_samples(config, model, *decoder, *tokenizer, start, prompt, options);
  return kExitDone;
}

}  // namespace gpt
