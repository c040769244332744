#include "gpt/train/prompt_samples.h"

#include <sstream>
#include <string_view>
#include <utility>

#include <ATen/CPUGeneratorImpl.h>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/splitmix64.h"
#include "gpt/base/strings.h"
#include "gpt/sampling/generate.h"
#include "gpt/text/text_mode.h"
#include "gpt/text/utf8.h"

namespace gpt {

namespace {

std::uint64_t sample_seed(std::int64_t seed, std::int64_t step, std::size_t prompt) {
  return splitmix64(
      splitmix64(splitmix64(static_cast<std::uint64_t>(seed)) + static_cast<std::uint64_t>(step)) +
      prompt);
}

}  // namespace

std::vector<std::string> prompts_of(const std::string& sample_prompts) {
  constexpr std::string_view kFile = "FILE:";
  constexpr std::uint64_t kLargest = 1 << 20;
  constexpr std::size_t kMost = 100;
  if (!sample_prompts.starts_with(kFile)) return {sample_prompts};
  const std::string path = sample_prompts.substr(kFile.size());
  std::istringstream lines(text_mode(read_small_file(path, kLargest, "prompts"), path));
  std::vector<std::string> prompts;
  for (std::string line; std::getline(lines, line);)
    if (!line.empty()) prompts.push_back(line);
  if (prompts.empty())
    throw InputError(concat("sample_prompts: ", path, ": holds no line; write a prompt in each"));
  if (prompts.size() > kMost)
    throw InputError(concat("sample_prompts: ", path, ": holds ", prompts.size(),
                            " prompts; keep at most ", kMost));
  return prompts;
}

PromptSamples::PromptSamples(const TrainConfig& config, std::unique_ptr<Tokenizer> tokenizer)
    : seed_(config.system.seed),
      new_tokens_(config.monitor.sample_tokens),
      tokenizer_(std::move(tokenizer)) {
  for (const std::string& text : prompts_of(config.monitor.sample_prompts)) {
    Prompt prompt{.text = text, .tokens = {}};
    prompt.tokens = tokenizer_->encode(text, "sample_prompts", {.added_tokens = true});
    if (prompt.tokens.empty() && tokenizer_->end_of_text())
      prompt.tokens.push_back(*tokenizer_->end_of_text());
    if (prompt.tokens.empty())
      throw InputError(
          "sample_prompts: the prompt is empty, and the dataset's tokenizer has no <|endoftext|> "
          "to begin with; give a text");
    prompts_.push_back(std::move(prompt));
  }
}

std::vector<PromptSamples::Sample> PromptSamples::draw(const Decoder& decoder, std::int64_t step,
                                                       const std::function<bool()>& goes_on) const {
  const GenerateOptions options{
      .max_new_tokens = new_tokens_,
      .draw = {.temperature = 0.8,
               .top_k = 200,
               .vocabulary = std::min(tokenizer_->vocab_size(), decoder.vocab_size())},
      .when_full = WhenFull::kHalf};
  std::vector<Sample> samples;
  bool whole = true;
  for (std::size_t i = 0; i < prompts_.size() && whole; ++i) {
    std::string bytes;
    generate(decoder, prompts_[i].tokens, options,
             {at::detail::createCPUGenerator(sample_seed(seed_, step, i))},
             [&](std::int64_t, std::int64_t token) {
               tokenizer_->append_text(token, bytes);
               return whole = goes_on();
             });
    samples.push_back({prompts_[i].text, to_utf8(from_utf8(bytes))});
  }
  return samples;
}

}  // namespace gpt
