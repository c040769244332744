// Muon's Newton-Schulz iteration on one thread of the CPU: muon_bench WIDTH LAYERS [ROUNDS].
// Seconds are of the thread's own processor time, so that neighbours count as little as they can.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "gpt/device/thread_pool.h"
#include "gpt/kernels/cpu/muon_update.h"
#include "gpt/kernels/gemm/gemm.h"
#include "gpt/kernels/gemm/gemm_backend.h"

namespace {

using gpt::MatrixShape;

double thread_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double best_seconds(int rounds, const std::function<void()>& prepare,
                    const std::function<void()>& work) {
  double best = 1e30;
  for (int i = 0; i < rounds; ++i) {
    prepare();
    const double before = thread_seconds();
    work();
    best = std::min(best, thread_seconds() - before);
  }
  return best;
}

// FLOP/s of a GEMM of 768 x 768 matrices, as the iteration calls them.
double gemm_rate(int rounds) {
  constexpr std::int64_t kSize = 768;
  const at::Tensor a = at::randn({kSize, kSize}), c = at::empty({kSize, kSize});
  const auto* native = gpt::native_gemm<float>();
  const at::Tensor memory =
      at::empty({native ? native->workspace_bytes({kSize, kSize, kSize}) : 64}, at::kByte);
  const gpt::GemmWorkspace workspace(native ? memory.mutable_data_ptr() : nullptr);
  const gpt::ConstF32 side{a.const_data_ptr<float>(), kSize};
  const double seconds = best_seconds(
      rounds, [] {},
      [&] {
        gpt::gemm_nn({kSize, kSize, kSize}, side, side, {c.mutable_data_ptr<float>(), kSize},
                     gpt::Into::kReplace);
      });
  return 2.0 * kSize * kSize * kSize / seconds;
}

double iteration_seconds(MatrixShape shape, bool bf16, int rounds) {
  const at::Tensor u = at::randn({shape.rows, shape.columns}), x = at::empty_like(u);
  const at::Tensor memory = at::empty({gpt::NewtonSchulzScratch::bytes({shape}, bf16)}, at::kByte);
  const gpt::NewtonSchulzScratch scratch({shape}, bf16, memory.mutable_data_ptr());
  return best_seconds(
      rounds, [&] { x.copy_(u); },
      [&] { gpt::cpu_newton_schulz(x.mutable_data_ptr<float>(), shape, scratch); });
}

double aten_seconds(MatrixShape shape, int rounds) {
  const at::Tensor u = at::randn({shape.rows, shape.columns});
  return best_seconds(
      rounds, [] {}, [&] { gpt::plain_newton_schulz(u, at::kFloat); });
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) return std::fprintf(stderr, "usage: muon_bench WIDTH LAYERS [ROUNDS]\n"), 2;
  const std::int64_t width = std::atol(arguments[1]), layers = std::atol(arguments[2]);
  const int rounds = count > 3 ? std::atoi(arguments[3]) : 20;
  at::set_num_threads(1);
  const gpt::SingleThreadScope scope;
  const double rate = gemm_rate(rounds);
  std::printf("GEMM (%s): %.1f GFLOP/s\n", gpt::gemm_backend_name().c_str(), rate / 1e9);
  const struct {
    MatrixShape shape;
    double each;
  } kinds[] = {{{width, width}, 4}, {{4 * width, width}, 1}, {{width, 4 * width}, 1}};
  const bool has_bf16 = gpt::cpu_muon_in_bf16(at::kBFloat16);
  double all = 0, low = 0, flops = 0;
  for (const auto& [shape, each] : kinds) {
    const double seconds = iteration_seconds(shape, false, rounds),
                 plain = aten_seconds(shape, rounds),
                 in_bf16 = has_bf16 ? iteration_seconds(shape, true, rounds) : 0;
    std::printf(
        "%5ld x %-5ld %9.3f ms, %5.1f GFLOP/s by all products (%.0f %% of a GEMM's); "
        "bfloat16 %9.3f ms; ATen float32 %9.3f ms\n",
        static_cast<long>(shape.rows), static_cast<long>(shape.columns), 1e3 * seconds,
        shape.flops() / seconds / 1e9, 100 * shape.flops() / seconds / rate, 1e3 * in_bf16,
        1e3 * plain);
    const double matrices = static_cast<double>(layers) * each;
    all += matrices * seconds;
    low += matrices * in_bf16;
    flops += matrices * shape.flops();
  }
  std::printf(
      "%ld layers on one thread: %.2f ms in float32, %.2f ms in bfloat16; all products at a "
      "float32 GEMM's rate: %.2f ms\n",
      static_cast<long>(layers), 1e3 * all, 1e3 * low, 1e3 * flops / rate);
}
