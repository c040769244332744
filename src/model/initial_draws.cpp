#include "gpt/model/initial_draws.h"

#include <algorithm>

#include "gpt/device/thread_pool.h"
#include "gpt/model/generator_steps.h"

namespace gpt {

namespace {

// LibTorch draws a normal_ of at least 16 values in sixteens, each from as many raw numbers, so
// that parts can be drawn apart; where a rest stays, the last 16 values are drawn anew. Fewer than
// 16 are drawn by another loop.
constexpr std::int64_t kSixteen = 16, kPiece = std::int64_t{1} << 20;

at::mt19937 engine_of(at::Generator& generator) {
  return at::check_generator<at::CPUGeneratorImpl>(generator)->engine();
}

}  // namespace

void InitialDraws::skip_uniform(std::int64_t count) {
  skip_steps(generator_, count);
}

void InitialDraws::skip_normal(std::int64_t count) {
  if (count < kSixteen)
    at::empty({count}).normal_(0.0, 1.0, generator_);
  else
    skip_steps(generator_, count + (count % kSixteen == 0 ? 0 : kSixteen));
}

void InitialDraws::normal(const at::Tensor& weight, double std) {
  const std::int64_t count = weight.numel();
  if (weight.is_meta()) return skip_normal(count);
  const at::Tensor weight_N = weight.detach().view({count});
  if (count < kSixteen) {
    weight_N.normal_(0.0, std, generator_);
    return;
  }
  for (std::int64_t first = 0; first < count;) {
    std::int64_t size = std::min(kPiece, count - first);
    if (count - first - size < kSixteen) size = count - first;
    pieces_.push_back({weight_N.narrow(0, first, size), std, engine_of(generator_)});
    skip_normal(size);
    first += size;
  }
}

void InitialDraws::draw() {
  parallel_ranges(static_cast<std::int64_t>(pieces_.size()), /*grain=*/1,
                  [&](std::int64_t first, std::int64_t last) {
                    at::Generator generator = at::detail::createCPUGenerator();
                    auto* cpu = at::check_generator<at::CPUGeneratorImpl>(generator);
                    for (; first < last; ++first) {
                      const Piece& piece = pieces_[static_cast<std::size_t>(first)];
                      cpu->set_engine(piece.engine);
                      piece.weight_N.normal_(0.0, piece.std, generator);
                    }
                  });
  pieces_.clear();
}

}  // namespace gpt
