#include "gpt/data/batch_sampler.h"

#include <utility>

#include <ATen/ATen.h>

namespace gpt {

BatchSampler::BatchSampler(at::Generator cpu_generator) : generator_(std::move(cpu_generator)) {
  TORCH_CHECK(generator_.defined() && generator_.device().is_cpu(),
              "batches are drawn from a CPU generator");
}

at::Tensor BatchSampler::draw(std::int64_t tokens_in_file, std::int64_t block_size,
                              std::int64_t count) {
  return at::randint(tokens_in_file - block_size, {count}, generator_, at::kLong);
}

at::Tensor BatchSampler::draw_fractions(std::int64_t count) {
  return at::rand({count}, generator_, at::kDouble);
}

}  // namespace gpt
