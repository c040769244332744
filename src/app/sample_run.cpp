#include "app/sample_run.h"

#include <algorithm>
#include <utility>

#include <ATen/CPUGeneratorImpl.h>

#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/device/memory_failure.h"
#include "gpt/model/weight_init.h"

namespace gpt {

namespace {

// nanoGPT draws the discarded weights, then its samples, all from one generator; ours start where
// those would. Or each sample has a seed of its own.
class Generators {
 public:
  Generators(const SampleConfig& config, const OpenModel& model, std::int64_t vocab_size)
      : config_(config), vocab_size_(vocab_size), one_(seeded(0)) {
    if (config.draws == "nanogpt") skip_init(one_, {model.config, vocab_size, model.block_size});
  }

  at::Generator next() {
    const std::int64_t sample = count_++;
    if (config_.draws != "nanogpt") return seeded(sample);
    if (sample > 0) skip_draws(one_, vocab_size_, config_.max_new_tokens);
    return one_.clone();
  }

 private:
  // Unsigned: after the largest seed comes the smallest.
  at::Generator seeded(std::int64_t sample) const {
    return at::detail::createCPUGenerator(static_cast<std::uint64_t>(config_.seed) +
                                          static_cast<std::uint64_t>(sample));
  }

  const SampleConfig& config_;
  std::int64_t vocab_size_, count_ = 0;
  at::Generator one_;
};

}  // namespace

SampleRun::SampleRun(const SampleConfig& config, const OpenModel& model, const Decoder& decoder,
                     SampleScreen& screen, std::int64_t at_once, std::function<bool()> goes_on)
    : config_(config),
      model_(model),
      decoder_(decoder),
      screen_(screen),
      at_once_(at_once),
      goes_on_(std::move(goes_on)),
      shown_(static_cast<std::size_t>(config.num_samples)),
      ended_(static_cast<std::size_t>(config.num_samples)) {}

GenerateTimes SampleRun::write(const std::vector<std::int64_t>& prompt,
                               const GenerateOptions& options) {
  Generators source(config_, model_, decoder_.vocab_size());
  std::vector<at::Generator> waiting;  // of the samples from `first` on
  GenerateTimes all;
  for (std::int64_t first = 0; first < config_.num_samples;) {
    const std::int64_t rows = std::min(at_once_, config_.num_samples - first);
    if (const auto why = out_of_memory([&] {
          while (std::ssize(waiting) < rows) waiting.push_back(source.next());
        }))
      throw_memory_error("sampling", decoder_.device(), "the generators' states", *why);
    Plan plan{.micro_batch = rows};
    GenerateTimes times;
    retry().run(plan, [&] {
      std::vector<at::Generator> some;
      for (std::int64_t i = 0; i < plan.micro_batch; ++i)
        some.push_back(waiting[static_cast<std::size_t>(i)].clone());
      times = write_group(first, std::move(some), prompt, options);
    });
    if (plan.micro_batch < rows) at_once_ = plan.micro_batch;
    waiting.erase(waiting.begin(), waiting.begin() + plan.micro_batch);
    first += plan.micro_batch;
    all.prefill += times.prefill;
    all.prompt_tokens += times.prompt_tokens;
    all.decode += times.decode;
    all.new_tokens += times.new_tokens;
  }
  return all;
}

GenerateTimes SampleRun::write_group(std::int64_t first, std::vector<at::Generator> generators,
                                     const std::vector<std::int64_t>& prompt,
                                     const GenerateOptions& options) {
  std::vector<std::int64_t> drawn(generators.size());
  return generate(
      decoder_, prompt, options, std::move(generators),
      [&](std::int64_t row, std::int64_t token) {
        std::int64_t& shown = shown_[static_cast<std::size_t>(first + row)];
        if (++drawn[static_cast<std::size_t>(row)] > shown) {
          screen_.add(first + row, token);
          ++shown;
        }
        return !goes_on_ || goes_on_();
      },
      [&](std::int64_t row) {
        if (!ended_[static_cast<std::size_t>(first + row)]) screen_.end(first + row);
        ended_[static_cast<std::size_t>(first + row)] = true;
      });
}

MemoryRetry SampleRun::retry() const {
  const c10::Device device = decoder_.device();
  const auto text = [](const Plan& plan) {
    return concat(plan.micro_batch, plan.micro_batch == 1 ? " sample" : " samples", " at a time");
  };
  return {.what = "sampling",
          .device = device,
          .next = [](const Plan& failed, int) { return halved(failed, /*tokens=*/1); },
          .text = text,
          .retreat = {},
          .say =
              [=](const Plan& failed, const Plan& next) {
                log_warning(concat("out of memory in sampling (", missing_memory(device), ") with ",
                                   text(failed), "; it continues with ", next.micro_batch));
              }};
}

}  // namespace gpt
