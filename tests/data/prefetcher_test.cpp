#include "gpt/data/prefetcher.h"

#include <memory>
#include <numeric>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "gpt/base/strings.h"
#include "gpt/data/batch_sampler.h"

#include "support/error_text.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::TempDir;

constexpr std::int64_t kBlock = 8;
constexpr std::int64_t kVocabulary = 1000;

class PrefetcherTest : public ::testing::Test {
 protected:
  PrefetcherTest() {
    for (std::size_t i = 0; i < tokens_.size(); ++i)
      tokens_[i] = static_cast<std::uint16_t>(i * 7919 % kVocabulary);
    file_ = std::make_unique<TokenFile>(folder_.write_tokens("train.bin", tokens_), kBlock,
                                        kVocabulary);
  }

  at::Tensor draw(std::int64_t count) { return sampler_.draw(file_->size(), kBlock, count); }

  // Compares with a naive loop over the tokens.
  void expect_windows(const Batch& batch, const at::Tensor& offsets, std::int64_t first) {
    const std::int64_t rows = offsets.size(0);
    ASSERT_EQ(batch.x_BT.sizes(), (std::vector<std::int64_t>{rows, kBlock}));
    ASSERT_EQ(batch.y_BT.sizes(), batch.x_BT.sizes());
    ASSERT_EQ(batch.sequence_B.numel(), rows);
    ASSERT_EQ(batch.x_BT.scalar_type(), at::kLong);
    for (std::int64_t b = 0; b < rows; ++b) {
      EXPECT_EQ(batch.sequence_B[b].item<std::int64_t>(), first + b);
      for (std::int64_t t = 0; t < kBlock; ++t) {
        const auto at = static_cast<std::size_t>(offsets[b].item<std::int64_t>() + t);
        EXPECT_EQ(batch.x_BT[b][t].item<std::int64_t>(), tokens_[at]);
        EXPECT_EQ(batch.y_BT[b][t].item<std::int64_t>(), tokens_[at + 1]);
      }
    }
  }

  // A file whose token 50 is outside the vocabulary, opened under a larger one.
  std::unique_ptr<TokenFile> file_that_went_bad() {
    const auto path = folder_.write_tokens("bad.bin", std::vector<std::uint16_t>(100, 1));
    auto file = std::make_unique<TokenFile>(path, kBlock, kVocabulary);
    std::fstream(path, std::ios::binary | std::ios::in | std::ios::out).seekp(101).put('\x7f');
    return file;
  }

  const TempDir folder_;
  std::vector<std::uint16_t> tokens_ = std::vector<std::uint16_t>(3000);
  std::unique_ptr<TokenFile> file_;
  BatchSampler sampler_{at::make_generator<at::CPUGeneratorImpl>(1337)};
};

TEST_F(PrefetcherTest, MakeBatchCutsWindows) {
  const at::Tensor offsets = draw(12);
  expect_windows(make_batch(*file_, offsets, 36, kBlock, at::kCPU), offsets, 36);
  const at::Tensor strided = draw(12).view({6, 2}).select(1, 1);
  expect_windows(make_batch(*file_, strided, 0, kBlock, at::kCPU), strided, 0);
}

TEST_F(PrefetcherTest, MakeBatchReachesBothEndsOfTheFileButNotBeyond) {
  const at::Tensor ends = at::tensor({std::int64_t{0}, file_->size() - kBlock - 1});
  expect_windows(make_batch(*file_, ends, 0, kBlock, at::kCPU), ends, 0);
  for (const std::int64_t outside : {std::int64_t{-1}, file_->size() - kBlock}) {
    EXPECT_EQ(error_text([&] { make_batch(*file_, at::tensor({outside}), 0, kBlock, at::kCPU); }),
              concat(file_->path().string(), ": a window of 8 + 1 tokens at ", outside,
                     " leaves the file of 3000 tokens"));
  }
}

TEST_F(PrefetcherTest, ATokenOutsideTheVocabularyIsNeverPassedOn) {
  const auto bad = file_that_went_bad();
  make_batch(*bad, at::tensor({std::int64_t{41}}), 0, kBlock, at::kCPU);  // tokens 41 to 49
  for (const std::int64_t offset : {42, 50}) {  // as the last target, as the first input
    EXPECT_EQ(error_text<InputError>(
                  [&] { make_batch(*bad, at::tensor({offset}), 0, kBlock, at::kCPU); }),
              bad->path().string() +
                  ": token 50 (byte 100) is 32513, but vocab_size is 1000; set vocab_size to the "
                  "dataset's, or make the dataset again");
  }
}

TEST_F(PrefetcherTest, UnevenCutsCoverTheEffectiveBatch) {
  Prefetcher feed(kBlock, at::kCPU);
  for (const std::int64_t micro : {27, 64, 100, 1, 63}) {
    const at::Tensor offsets = draw(64);
    feed.request(*file_, offsets, micro);
    EXPECT_EQ(feed.pending(), (64 + micro - 1) / micro);
    for (std::int64_t first = 0; first < 64; first += micro) {
      const std::int64_t rows = std::min(micro, 64 - first);
      expect_windows(feed.take(), offsets.narrow(0, first, rows), first);
    }
    EXPECT_EQ(feed.pending(), 0);
  }
}

TEST_F(PrefetcherTest, KeepsTheOrderOfManyRequests) {
  Prefetcher feed(kBlock, at::kCPU);
  std::vector<at::Tensor> requested;
  for (int i = 0; i < 40; ++i) {
    requested.push_back(draw(5));
    feed.request(*file_, requested.back(), 3);
  }
  for (const at::Tensor& offsets : requested) {
    expect_windows(feed.take(), offsets.narrow(0, 0, 3), 0);
    expect_windows(feed.take(), offsets.narrow(0, 3, 2), 3);
  }
}

TEST_F(PrefetcherTest, AnErrorComesAtItsPlaceAndTheRestFollows) {
  const auto bad = file_that_went_bad();
  Prefetcher feed(kBlock, at::kCPU);
  const at::Tensor good = draw(4);
  feed.request(*bad, at::tensor({std::int64_t{0}, std::int64_t{50}, std::int64_t{60}}), 1);
  feed.request(*file_, good, 4);
  EXPECT_EQ(feed.take().sequence_B[0].item<std::int64_t>(), 0);
  EXPECT_NE(error_text<InputError>([&] { feed.take(); }).find("bad.bin: token 50"),
            std::string::npos);
  EXPECT_EQ(feed.take().sequence_B[0].item<std::int64_t>(), 2);
  expect_windows(feed.take(), good, 0);
}

TEST_F(PrefetcherTest, TakingWithoutARequestIsAnError) {
  Prefetcher feed(kBlock, at::kCPU);
  EXPECT_EQ(error_text([&] { feed.take(); }), "a batch was taken that nobody requested");
}

TEST_F(PrefetcherTest, ClearDropsWhatIsPending) {
  Prefetcher feed(kBlock, at::kCPU);
  for (int round = 0; round < 50; ++round) {
    {
      const auto passing = std::make_unique<TokenFile>(file_->path(), kBlock, kVocabulary);
      feed.request(*passing, draw(64), 1);
      for (int i = 0; i < round % 4; ++i) feed.take();
      feed.clear();  // the file goes now; the sanitizer would see a late use
    }
    const at::Tensor offsets = draw(3);
    feed.request(*file_, offsets, 3);
    EXPECT_EQ(feed.pending(), 1);
    expect_windows(feed.take(), offsets, 0);
  }
}

TEST_F(PrefetcherTest, EndsWithWorkPending) {
  for (int round = 0; round < 50; ++round) {
    Prefetcher feed(kBlock, at::kCPU);
    feed.request(*file_, draw(64), 1);
    if (round % 2 == 1) feed.take();
  }
}

TEST_F(PrefetcherTest, ConvertsNoMoreThanTwoAhead) {
  // Bytes that hold good tokens when requested and bad ones once the thread had time to run ahead:
  // what was not converted by then must fail.
  const auto path = folder_.write_tokens("late.bin", std::vector<std::uint16_t>(100, 1));
  const TokenFile file(path, kBlock, kVocabulary);
  Prefetcher feed(kBlock, at::kCPU);
  feed.request(file, at::zeros({10}, at::kLong), 1);
  feed.take();
  std::fstream(path, std::ios::binary | std::ios::in | std::ios::out).seekp(1).put('\x7f');
  int good = 1;
  while (feed.pending() > 0) {
    try {
      feed.take();
      ++good;
    } catch (const InputError&) {
    }
  }
  EXPECT_LE(good, 1 + static_cast<int>(Prefetcher::kAhead));
}

TEST_F(PrefetcherTest, CudaBatchesEqualTheHosts) {
  if (!at::hasCUDA()) GTEST_SKIP() << "no CUDA device";
  Prefetcher feed(kBlock, at::Device(at::kCUDA, 0));
  const at::Tensor offsets = draw(64);
  feed.request(*file_, offsets, 27);
  for (std::int64_t first = 0; first < 64; first += 27) {
    Batch batch = feed.take();
    EXPECT_TRUE(batch.x_BT.is_cuda() && batch.y_BT.is_cuda() && batch.sequence_B.is_cpu());
    batch.x_BT = batch.x_BT.cpu();
    batch.y_BT = batch.y_BT.cpu();
    expect_windows(batch, offsets.narrow(0, first, std::min<std::int64_t>(27, 64 - first)), first);
  }
}

}  // namespace
}  // namespace gpt
