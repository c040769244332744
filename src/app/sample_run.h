// All samples of `gpttrain sample`, several at a time, and fewer where memory runs out.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "gpt/config/sample_config.h"
#include "gpt/memory/retry.h"
#include "gpt/sampling/decoder.h"
#include "gpt/sampling/generate.h"

#include "app/open_model.h"
#include "app/sample_screen.h"

namespace gpt {

class SampleRun {
 public:
  // `at_once`: samples that grow together. `goes_on`, if given, is asked after each token; false
  // ends the sample. All that is given must outlive the run.
  SampleRun(const SampleConfig& config, const OpenModel& model, const Decoder& decoder,
            SampleScreen& screen, std::int64_t at_once, std::function<bool()> goes_on = {});

  // Times and tokens of what has been shown. A group that runs out of memory begins again, with
  // half as many at once from then on; what the screen has of it is not shown twice. MemoryError if
  // there is not even memory for one.
  GenerateTimes write(const std::vector<std::int64_t>& prompt, const GenerateOptions& options);

  std::int64_t at_once() const { return at_once_; }

 private:
  GenerateTimes write_group(std::int64_t first, std::vector<at::Generator> generators,
                            const std::vector<std::int64_t>& prompt,
                            const GenerateOptions& options);
  // With half as many samples where memory runs out.
  MemoryRetry retry() const;

  const SampleConfig& config_;
  const OpenModel& model_;
  const Decoder& decoder_;
  SampleScreen& screen_;
  std::int64_t at_once_;
  std::function<bool()> goes_on_;
  std::vector<std::int64_t> shown_;  // tokens of each sample
  std::vector<bool> ended_;
};

}  // namespace gpt
