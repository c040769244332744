#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include <ATen/ATen.h>

#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/device/device.h"
#include "gpt/device/memory.h"
#include "gpt/kernels/ops/attention.h"

#include "tiled_attention.h"

namespace gpt {

namespace {

bool half(at::ScalarType type) {
  return type == at::kBFloat16 || type == at::kHalf;
}

bool cudnn_fits(std::int64_t T, std::int64_t D) {
  return T > 1 && D <= 128;
}

// Where PyTorch itself takes cuDNN's, and so tests it most.
bool cudnn_is_preferred(int capability) {
  return capability == 90 || capability == 100;
}

// Heads that need no padding.
bool is_fused_shape(std::int64_t D, at::ScalarType type) {
  return D % 8 == 0 && D <= 256 && type != at::kDouble;
}

// ATen's FlashAttention: not before Ampere, nor the backward of some wide heads on cards with the
// smaller shared memory (sdp_utils.cpp, "gt192").
bool flash_fits(std::int64_t D, int capability) {
  const bool small = capability == 86 || capability == 89 || capability / 10 == 12;
  return capability >= 80 && !(small && D > 192 && D <= 224);
}

// As the engine has them: the q, k and v of a token side by side in a row (model/tensor_block.cpp).
AttentionInput parts_of(const at::Tensor& qkv_BTKHD) {
  const auto part = [&](std::int64_t i) { return qkv_BTKHD.select(2, i).transpose(1, 2); };
  return {.q_BHTD = part(0), .k_BHTD = part(1), .v_BHTD = part(2)};
}

// What the engine does with a kernel: its results are joined where it does not do so itself.
void forward_and_backward(AttentionKernel kernel, const AttentionInput& in,
                          const at::Tensor& dy_BHTD) {
  const AttentionOutput out = attention_forward(kernel, in);
  const at::Tensor y_BTHD = out.y_BHTD.transpose(1, 2).contiguous();
  join_attention_gradient(attention_backward(kernel, in, out, dy_BHTD), /*dbias_K=*/{});
}

// Milliseconds of forward and backward, the best of a few; infinite if the kernel refuses.
double measure(AttentionKernel kernel, const AttentionShape& shape, bool masked) {
  constexpr int kRounds = 5;
  const auto options = at::TensorOptions().device(shape.device).dtype(shape.type);
  double best = std::numeric_limits<double>::infinity();
  try {
    const at::Tensor qkv_BTKHD = at::randn({shape.B, shape.T, 3, shape.H, shape.D}, options);
    AttentionInput in = parts_of(qkv_BTKHD);
    if (masked) {
      in.p = 0.1;
      in.sequence_B = at::arange(shape.B, options.dtype(at::kLong));
    }
    const at::Tensor dy_BHTD =
        at::randn({shape.B, shape.T, shape.H, shape.D}, options).transpose(1, 2);
    for (int round = 0; round <= kRounds; ++round) {
      synchronize(shape.device);
      const auto start = std::chrono::steady_clock::now();
      forward_and_backward(kernel, in, dy_BHTD);
      synchronize(shape.device);
      const std::chrono::duration<double, std::milli> took =
          std::chrono::steady_clock::now() - start;
      if (round > 0) best = std::min(best, took.count());  // the first builds plans
    }
  } catch (const std::exception& error) {  // no such kernel for this shape, card or library
    if (is_out_of_memory(error)) throw;
    forget_error(shape.device);  // or the next launch would be blamed for it
    return std::numeric_limits<double>::infinity();
  }
  return best;
}

// All candidates are tried, one alone too, since a card or a library may lack it. The plain one
// always runs.
AttentionKernel fastest(const std::vector<AttentionKernel>& kernels, const AttentionShape& shape,
                        bool masked) {
  AttentionKernel best = AttentionKernel::kPlain;
  double least = std::numeric_limits<double>::infinity();
  std::string times;
  for (const AttentionKernel kernel : kernels) {
    const double took = measure(kernel, shape, masked);
    times += std::isfinite(took) ? format("%s %.3f ms, ", attention_name(kernel), took)
                                 : concat(attention_name(kernel), " does not run here, ");
    if (took < least) best = kernel;
    least = std::min(least, took);
  }
  log_info(concat("attention ", shape.B, " x ", shape.H, " x ", shape.T, " x ", shape.D,
                  masked ? ", masked" : "", ", forward and backward: ", times, attention_name(best),
                  " runs"));
  return best;
}

// With dropout or documents. A kernel of ours needs to be one that may run.
AttentionKernel chosen_of_masked(const DeviceChoices& choices, const AttentionShape& shape,
                                 bool deterministic) {
  const bool tiled = choices.tiled_attention && choices.kernels &&
                     attention_fits(AttentionKernel::kTiled, shape, deterministic);
  return tiled ? AttentionKernel::kTiled : AttentionKernel::kPlain;
}

// Those that are timed where nothing has been proved. The plain one is no candidate where times may
// not decide.
std::vector<AttentionKernel> timed_candidates(const AttentionShape& shape, bool masked,
                                              bool deterministic) {
  const int capability = compute_capability(shape.device);
  if (!masked) return attention_candidates(shape.T, shape.D, shape.type, deterministic, capability);
  std::vector<AttentionKernel> kernels =
      masked_attention_candidates(shape.D, shape.type, capability);
  if (!kernels.empty() && !deterministic) kernels.push_back(AttentionKernel::kPlain);
  return kernels;
}

}  // namespace

// Head sizes without padding; of float32, no kernel that gives the same bits every time.
std::vector<AttentionKernel> attention_candidates(std::int64_t T, std::int64_t D,
                                                  at::ScalarType type, bool deterministic,
                                                  int capability) {
  std::vector<AttentionKernel> kernels;
  if (!is_fused_shape(D, type)) return kernels;
  if (half(type) && flash_fits(D, capability)) kernels.push_back(AttentionKernel::kFlash);
  if (deterministic) return kernels;
  kernels.push_back(AttentionKernel::kEfficient);
  if (half(type) && cudnn_fits(T, D) && cudnn_is_preferred(capability))
    kernels.push_back(AttentionKernel::kCudnn);
  return kernels;
}

std::vector<AttentionKernel> masked_attention_candidates(std::int64_t D, at::ScalarType type,
                                                         int capability) {
  if (!tiled_attention_takes(D, type)) return {};
  if (type == at::kBFloat16 && capability < 80) return {};  // no products of it
  return {AttentionKernel::kTiled};
}

bool attention_fits(AttentionKernel kernel, const AttentionShape& shape, bool deterministic) {
  if (kernel == AttentionKernel::kPlain) return true;
  if (kernel == AttentionKernel::kTiled) return tiled_attention_takes(shape.D, shape.type);
  if (!is_fused_shape(shape.D, shape.type)) return false;
  switch (kernel) {
    case AttentionKernel::kFlash:
      return half(shape.type);
    case AttentionKernel::kEfficient:
      return !deterministic;
    case AttentionKernel::kCudnn:
      return !deterministic && half(shape.type) && cudnn_fits(shape.T, shape.D);
    default:
      return false;
  }
}

AttentionKernel choose_attention(const AttentionShape& shape, bool masked, bool deterministic) {
  const auto choices = device_choices();
  if (masked && choices) return chosen_of_masked(*choices, shape, deterministic);
  if (!shape.device.is_cuda()) return masked ? AttentionKernel::kPlain : AttentionKernel::kCpuFlash;
  if (choices) {
    for (const AttentionKernel kernel : choices->attention)
      if (attention_fits(kernel, shape, deterministic)) return kernel;
    return AttentionKernel::kPlain;
  }
  using Key = std::array<std::int64_t, 8>;
  static std::mutex mutex;
  static std::map<Key, AttentionKernel> chosen;
  const std::scoped_lock lock(mutex);
  const Key key{shape.B,
                shape.H,
                shape.T,
                shape.D,
                static_cast<std::int64_t>(shape.type),
                shape.device.index(),
                masked,
                deterministic};
  const auto found = chosen.find(key);
  if (found != chosen.end()) return found->second;
  const std::vector<AttentionKernel> kernels = timed_candidates(shape, masked, deterministic);
  return chosen[key] = kernels.empty() ? AttentionKernel::kPlain : fastest(kernels, shape, masked);
}

}  // namespace gpt
