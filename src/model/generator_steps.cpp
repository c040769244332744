#include "gpt/model/generator_steps.h"

#include <array>

#include <ATen/CPUGeneratorImpl.h>

namespace gpt {

namespace {

constexpr std::size_t kState = at::MERSENNE_STATE_N, kMiddle = at::MERSENNE_STATE_M;

std::uint32_t twisted(std::uint32_t far, std::uint32_t here, std::uint32_t next) {
  const std::uint32_t mixed = (here & at::UMASK) | (next & at::LMASK);
  return far ^ (mixed >> 1) ^ ((0U - (next & 1U)) & at::MATRIX_A);
}

// All of the engine's state once around (Matsumoto and Nishimura 1998), without the tempering. The
// loops' lengths are known and, but for a rest, multiples of four: so -O2 makes vectors of them.
void twist(std::array<std::uint32_t, kState>& state) {
  constexpr std::size_t kEarly = kState - kMiddle, kFours = kEarly / 4 * 4;
  for (std::size_t i = 0; i < kFours; ++i)
    state[i] = twisted(state[i + kMiddle], state[i], state[i + 1]);
  for (std::size_t i = kFours; i < kEarly; ++i)
    state[i] = twisted(state[i + kMiddle], state[i], state[i + 1]);
  for (std::size_t i = kEarly; i < kState - 1; ++i)
    state[i] = twisted(state[i - kEarly], state[i], state[i + 1]);
  state[kState - 1] = twisted(state[kMiddle - 1], state[kState - 1], state[0]);
}

}  // namespace

// The caller is alone with the generator, so no lock is taken.
void skip_steps(at::Generator& generator, std::int64_t steps) {
  auto* cpu = at::check_generator<at::CPUGeneratorImpl>(generator);
  at::mt19937 engine = cpu->engine();
  at::mt19937_data_pod data = engine.data();
  // left_ - 1 numbers can be read before the state goes around; then there are kState of them.
  while (steps >= data.left_) {
    steps -= data.left_ - 1;
    twist(data.state_);
    data.left_ = static_cast<int>(kState) + 1;
    data.next_ = 0;
  }
  data.left_ -= static_cast<int>(steps);
  data.next_ += static_cast<std::uint32_t>(steps);
  engine.set_data(data);
  cpu->set_engine(engine);
}

}  // namespace gpt
