#include "gpt/data/batch_sampler.h"

#include <cstdint>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

namespace gpt {
namespace {

std::vector<std::int64_t> numbers(const at::Tensor& tensor) {
  const auto* data = tensor.const_data_ptr<std::int64_t>();
  return {data, data + tensor.numel()};
}

// Recorded with PyTorch 2.11: torch.manual_seed(1337); torch.randint(tokens - block_size, (12,)).
TEST(BatchSampler, DrawsTheNumbersOfPyTorch) {
  BatchSampler shakespeare(at::make_generator<at::CPUGeneratorImpl>(1337));
  EXPECT_EQ(numbers(shakespeare.draw(1003854, 64, 12)),
            (std::vector<std::int64_t>{138825, 368537, 972872, 611890, 34195, 709583, 303665,
                                       356460, 483164, 170560, 73992, 506050}));
  // openwebtext: more tokens than 32 bits count, for which PyTorch draws 64 bits each
  BatchSampler openwebtext(at::make_generator<at::CPUGeneratorImpl>(1337));
  EXPECT_EQ(numbers(openwebtext.draw(9035582198, 1024, 12)),
            (std::vector<std::int64_t>{3065872021, 2643422548, 7449559733, 2062126738, 6836888684,
                                       4167736032, 268248022, 3118151336, 7530594526, 2399590271,
                                       5328223952, 4079852740}));
}

// torch.manual_seed(1337); then two of torch.randint(111540 - 256, (64,)).
TEST(BatchSampler, GoesOnWhereTheLastDrawEnded) {
  BatchSampler sampler(at::make_generator<at::CPUGeneratorImpl>(1337));
  const auto first = numbers(sampler.draw(111540, 256, 64));
  const auto second = numbers(sampler.draw(111540, 256, 64));
  EXPECT_EQ(std::vector(first.begin(), first.begin() + 4),
            (std::vector<std::int64_t>{83607, 50185, 39276, 83064}));
  EXPECT_EQ(std::vector(second.begin(), second.begin() + 4),
            (std::vector<std::int64_t>{81346, 83800, 108671, 38564}));
  EXPECT_EQ(second.back(), 89293);
}

TEST(BatchSampler, PiecesGiveTheNumbersOfTheWhole) {
  for (const std::int64_t tokens : {std::int64_t{1003854}, std::int64_t{9035582198}}) {
    BatchSampler whole(at::make_generator<at::CPUGeneratorImpl>(7));
    BatchSampler pieces(at::make_generator<at::CPUGeneratorImpl>(7));
    const at::Tensor drawn = whole.draw(tokens, 64, 480);
    std::vector<at::Tensor> parts;
    for (const std::int64_t count : {1, 27, 0, 64, 388})
      parts.push_back(pieces.draw(tokens, 64, count));
    EXPECT_TRUE(at::equal(at::cat(parts), drawn));
  }
}

TEST(BatchSampler, SharesItsGenerator) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(1337);
  BatchSampler sampler(generator);
  sampler.draw(1003854, 64, 5);
  const auto next = at::randint(1003854 - 64, {1}, generator, at::kLong).item<std::int64_t>();
  EXPECT_EQ(next, 709583);
}

TEST(BatchSampler, TheLastWindowCanBeDrawn) {
  BatchSampler sampler(at::make_generator<at::CPUGeneratorImpl>(1));
  const at::Tensor offsets = sampler.draw(10, 7, 200);  // windows of 7 + 1 tokens start at 0, 1, 2
  EXPECT_EQ(offsets.min().item<std::int64_t>(), 0);
  EXPECT_EQ(offsets.max().item<std::int64_t>(), 2);
  EXPECT_EQ(offsets.scalar_type(), at::kLong);
}

TEST(BatchSampler, WantsACpuGenerator) {
  EXPECT_THROW(BatchSampler(at::Generator()), c10::Error);
}

}  // namespace
}  // namespace gpt
