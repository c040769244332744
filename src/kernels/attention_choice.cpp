#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include <ATen/ATen.h>

#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/kernels/attention_pass.h"
#include "gpt/kernels/device.h"

namespace gpt {

namespace {

bool half(const AttentionShape& shape) {
  return shape.type == at::kBFloat16 || shape.type == at::kHalf;
}

// Head sizes that the fused CUDA kernels take without padding.
bool fused_fits(const AttentionShape& shape) {
  return shape.D % 8 == 0 && shape.D <= 256 && shape.type != at::kDouble;
}

bool cudnn_fits(const AttentionShape& shape) {
  return shape.T > 1 && shape.D <= 128;
}

const char* name(AttentionKernel kernel) {
  constexpr const char* kNames[] = {"plain", "CPU flash", "flash", "cuDNN", "efficient"};
  return kNames[static_cast<std::size_t>(kernel)];
}

// Milliseconds of forward and backward, the best of a few; infinite if the kernel refuses.
double measure(AttentionKernel kernel, const AttentionShape& shape) {
  constexpr int kRounds = 5;
  const auto make = [&] {  // the engine's layout: heads side by side in a row
    const auto options = at::TensorOptions().device(shape.device).dtype(shape.type);
    return at::randn({shape.B, shape.T, shape.H, shape.D}, options).transpose(1, 2);
  };
  const AttentionInput in{.q_BHTD = make(), .k_BHTD = make(), .v_BHTD = make()};
  const at::Tensor dy_BHTD = make();
  double best = std::numeric_limits<double>::infinity();
  try {
    for (int round = 0; round <= kRounds; ++round) {
      synchronize(shape.device);
      const auto start = std::chrono::steady_clock::now();
      attention_backward(kernel, in, attention_forward(kernel, in), dy_BHTD);
      synchronize(shape.device);
      const std::chrono::duration<double, std::milli> took =
          std::chrono::steady_clock::now() - start;
      if (round > 0) best = std::min(best, took.count());  // the first builds plans
    }
  } catch (const c10::OutOfMemoryError&) {
    throw;
  } catch (const c10::Error&) {  // no such kernel for this shape, card or library
  }
  return best;
}

AttentionKernel measured_choice(const AttentionShape& shape) {
  AttentionKernel best = AttentionKernel::kPlain;
  double least = std::numeric_limits<double>::infinity();
  std::string times;
  std::vector<AttentionKernel> kernels{AttentionKernel::kFlash, AttentionKernel::kEfficient};
  if (cudnn_fits(shape)) kernels.push_back(AttentionKernel::kCudnn);
  for (const AttentionKernel kernel : kernels) {
    const double took = measure(kernel, shape);
    times += format("%s %.3f ms, ", name(kernel), took);
    if (took < least) best = kernel;
    least = std::min(least, took);
  }
  log_info(concat("attention ", shape.B, " x ", shape.H, " x ", shape.T, " x ", shape.D,
                  ", forward and backward: ", times, name(best), " runs"));
  return best;
}

}  // namespace

AttentionKernel choose_attention(const AttentionShape& shape, bool dropout, bool deterministic) {
  if (dropout) return AttentionKernel::kPlain;
  if (!shape.device.is_cuda()) return AttentionKernel::kCpuFlash;
  if (!fused_fits(shape)) return AttentionKernel::kPlain;
  if (deterministic) return half(shape) ? AttentionKernel::kFlash : AttentionKernel::kPlain;
  if (!half(shape)) return AttentionKernel::kEfficient;
  using Key = std::array<std::int64_t, 6>;
  static std::mutex mutex;
  static std::map<Key, AttentionKernel> chosen;
  const std::scoped_lock lock(mutex);
  const Key key{shape.B,
                shape.H,
                shape.T,
                shape.D,
                static_cast<std::int64_t>(shape.type),
                shape.device.index()};
  const auto found = chosen.find(key);
  if (found != chosen.end()) return found->second;
  return chosen[key] = measured_choice(shape);
}

}  // namespace gpt
