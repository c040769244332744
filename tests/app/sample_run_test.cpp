#include "app/sample_run.h"

#include <gtest/gtest.h>

#include "gpt/device/cpu_memory.h"
#include "gpt/device/memory_failure.h"
#include "gpt/model/gpt.h"

#include "support/tensor_near.h"

namespace gpt {
namespace {

constexpr std::int64_t kVocabulary = 26;

class Letters : public Tokenizer {
 public:
  std::string_view name() const override { return "test"; }
  std::int64_t vocab_size() const override { return kVocabulary; }
  std::optional<std::int32_t> end_of_text() const override { return std::nullopt; }
  std::int64_t append_ids(std::string_view, const std::string&, std::vector<std::int32_t>&,
                          const EncodeOptions&) const override {
    return 0;
  }
  void append_text(std::int64_t id, std::string& bytes) const override {
    bytes += static_cast<char>('a' + id);
  }
  std::size_t safe_cut(std::string_view, const EncodeOptions&) const override { return 0; }
};

class StarvedSampleRun : public ::testing::Test {
 protected:
  void SetUp() override { install_cpu_memory(); }
  void TearDown() override { fail_cpu_allocations(0); }

  struct Written {
    std::string text;
    std::int64_t at_once = 0, allocations = 0;
  };
  // Five samples, four at a time; the `fail`-th allocation fails (0: none).
  Written written(std::int64_t fail, std::optional<std::int64_t> stop) {
    SampleConfig config;
    config.num_samples = 5;
    config.max_new_tokens = 6;
    OpenModel open;
    open.config = shape_;
    open.block_size = 12;
    Written result;
    SampleScreen screen(letters_, ">", config.num_samples,
                        [&](const std::string& text) { result.text += text; });
    SampleRun run(config, open, decoder_, screen, 4);
    const std::int64_t before = cpu_allocations();
    fail_cpu_allocations(fail);
    run.write({3, 1}, {.max_new_tokens = 6, .draw = {.vocabulary = kVocabulary}, .stop = stop});
    fail_cpu_allocations(0);
    result.at_once = run.at_once();
    result.allocations = cpu_allocations() - before;
    return result;
  }

  static ModelConfig shape() {
    ModelConfig config;
    config.n_layer = 1, config.n_head = 2, config.n_embd = 16;
    return config;
  }

  Letters letters_;
  ModelConfig shape_ = shape();
  at::Generator init_ = testing::generator(6);
  Gpt model_{shape_, kVocabulary, /*block_size=*/12, init_};
  Decoder decoder_{model_.parameters(), shape_, {at::kCPU, at::kFloat}};
};

// Also while tokens of the group are on the screen already: none is lost, none comes twice.
TEST_F(StarvedSampleRun, AFailureAnywhereChangesNoText) {
  // Without a stop all end together; the second sample's third letter ends some of them early.
  const std::string free = written(0, std::nullopt).text;
  const std::int64_t letter = free[free.find('>', 1) + 3] - 'a';
  for (const auto& stop : {std::optional<std::int64_t>(), std::optional(letter)}) {
    const Written whole = written(0, stop);
    EXPECT_EQ(whole.at_once, 4);
    ASSERT_GT(whole.allocations, 100);
    EXPECT_EQ(whole.text != free, stop.has_value());
    int shrunk = 0;
    for (std::int64_t n = 1; n <= whole.allocations; n += 7) {
      Written starved;
      try {
        starved = written(n, stop);
      } catch (const MemoryError&) {  // a generator's state: the same for one sample as for four
        fail_cpu_allocations(0);
        continue;
      }
      EXPECT_EQ(starved.text, whole.text) << n;
      shrunk += starved.at_once < 4;
    }
    EXPECT_GT(shrunk, 10);
  }
}

}  // namespace
}  // namespace gpt
