#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <iterator>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "gpt/base/files.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"
#include "gpt/config/command_line.h"
#include "gpt/config/printing.h"
#include "gpt/model/generate.h"
#include "gpt/model/generator_steps.h"

#include "app/open_model.h"
#include "app/sample_screen.h"
#include "app/setup.h"
#include "app/verbs.h"

namespace gpt {

namespace {

std::string start_text(const std::string& start) {
  constexpr std::string_view kFile = "FILE:";
  if (start == "-")
    return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
  return start.starts_with(kFile) ? read_file(start.substr(kFile.size())) : start;
}

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
  const auto ids = tokenizer.encode(stop, origin + ": stop", Tokenizer::EndOfText::kAsToken);
  if (ids.size() != 1)
    throw InputError(concat(origin, ": stop: expected the text of one token, but this one takes ",
                            ids.size(), "; ID:NUMBER names a token by its number"));
  return ids.front();
}

void show(const std::string& text) {
  print_text(stdout_is_terminal() ? terminal_safe(text) : text);
}

// nanoGPT draws the discarded weights, then its samples, all from one generator; ours start where
// those would. Or each sample has a seed of its own.
class Generators {
 public:
  Generators(const SampleConfig& config, const OpenModel& model, std::int64_t vocab_size)
      : config_(config), vocab_size_(vocab_size), one_(seeded(config.seed)) {
    if (config.draws == "nanogpt") skip_init(one_, model.config, vocab_size, model.block_size);
  }

  at::Generator next() {
    const std::int64_t sample = count_++;
    if (config_.draws != "nanogpt") return seeded(config_.seed + sample);
    if (sample > 0) skip_draws(one_, vocab_size_, config_.max_new_tokens);
    return one_.clone();
  }

 private:
  static at::Generator seeded(std::int64_t seed) {
    return at::detail::createCPUGenerator(static_cast<std::uint64_t>(seed));
  }

  const SampleConfig& config_;
  std::int64_t vocab_size_, count_ = 0;
  at::Generator one_;
};

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
  SampleScreen screen(tokenizer, start, config.num_samples, show);
  Generators generators(config, model, decoder.vocab_size());
  const std::int64_t step = samples_at_once(config, decoder, prompt.size());
  GenerateTimes all;
  for (std::int64_t first = 0; first < config.num_samples; first += step) {
    std::vector<at::Generator> some;
    for (std::int64_t i = first; i < std::min(first + step, config.num_samples); ++i)
      some.push_back(generators.next());
    const GenerateTimes times = generate(
        decoder, prompt, options, std::move(some),
        [&](std::int64_t row, std::int64_t token) {
          screen.add(first + row, token);
          return true;
        },
        [&](std::int64_t row) { screen.end(first + row); });
    all.prefill += times.prefill;
    all.prompt_tokens += times.prompt_tokens;
    all.decode += times.decode;
    all.new_tokens += times.new_tokens;
  }
  log_info("prompt: " + rate(all.prompt_tokens, all.prefill) +
           "; new: " + rate(all.new_tokens, all.decode) +
           (step > 1 ? concat(", ", step, " samples at a time") : ""));
}

}  // namespace

ExitCode sample_verb(const Arguments& arguments) {
  // Decoding reads all weights for each token; large pages make that a sixth faster. Read by
  // LibTorch at its first allocation.
  setenv("THP_MEM_ALLOC_ENABLE", "1", /*overwrite=*/0);
  SampleConfig config;
  Settings settings(knobs(config));
  const CommandLine line = read_command_line(arguments, settings, /*inputs_allowed=*/false);
  if (line.help) {
    print_text("Usage: gpttrain sample [--key=value...]\n\n" + help_text(knobs(config)));
    return kExitDone;
  }
  OpenModel model = open_model({config.init_from, config.out_dir, config.checkpoint,
                                config.pretrained_dir, config.data_dir});
  const std::int64_t vocab_size = vocabulary_of(model);
  const auto tokenizer = tokenizer_for(model, config.tokenizer, vocab_size);
  const std::string start = start_text(config.start);
  const auto prompt = tokenizer->encode(start, settings.origin("start") + ": start",
                                        Tokenizer::EndOfText::kAsToken);
  if (prompt.empty()) throw InputError("start: the text is empty; expected at least one character");
  const GenerateOptions options = generate_options(config, *tokenizer, settings.origin("stop"));

  const Compute compute = set_up_machine(config.device, config.dtype, config.threads, false);
  const Decoder decoder(model.weights, model.config, compute);
  model.weights.clear();  // the decoder shares or has converted them
  write_samples(config, model, decoder, *tokenizer, start, prompt, options);
  return kExitDone;
}

}  // namespace gpt
