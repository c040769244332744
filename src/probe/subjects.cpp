// What there is to check of a device.
#include "gpt/device/device.h"
#include "gpt/kernels/ops/attention.h"
#include "gpt/model/engines.h"
#include "gpt/probe/checks.h"

namespace gpt {

namespace {

std::vector<at::Tensor> attend(AttentionKernel kernel, const AttentionInput& in,
                               const at::Tensor& dy_BHTD) {
  const AttentionOutput out = attention_forward(kernel, in);
  const AttentionGradient gradient = attention_backward(kernel, in, out, dy_BHTD);
  return {out.y_BHTD, gradient.dq_BHTD, gradient.dk_BHTD, gradient.dv_BHTD};
}

std::vector<AttentionKernel> masked_candidates(const ProbeJob& job) {
  const ModelConfig& model = job.config.model;
  if (job.compute.device.is_cpu() || model.attention == "plain" || !job.wants.fused) return {};
  return masked_attention_candidates(model.n_embd / model.n_head, job.compute.type,
                                     compute_capability(job.compute.device));
}

// Those of the card, and cuDNN's, which may be right and faster where PyTorch does not take it.
std::vector<AttentionKernel> attention_candidates(const ProbeJob& job) {
  if (job.compute.device.is_cpu()) return {AttentionKernel::kCpuFlash};
  const TrainConfig& config = job.config;
  if (config.model.attention == "plain") return {};
  const std::int64_t H = config.model.n_head;
  const AttentionShape shape{config.data.micro_batch_size.or_else(config.data.batch_size),
                             H,
                             config.data.block_size,
                             config.model.n_embd / H,
                             job.compute.type,
                             job.compute.device};
  const bool deterministic = config.system.deterministic;
  std::vector<AttentionKernel> kernels = gpt::attention_candidates(
      shape.T, shape.D, shape.type, deterministic, compute_capability(shape.device));
  std::erase(kernels, AttentionKernel::kCudnn);
  if (attention_fits(AttentionKernel::kCudnn, shape, deterministic))
    kernels.insert(kernels.begin(), AttentionKernel::kCudnn);
  return kernels;
}

}  // namespace

ProbeSubjects probe_subjects(const ProbeJob& job) {
  const bool cpu = job.compute.device.is_cpu();
  ProbeSubjects subjects{.kernels = {},
                         .attention = attention_candidates(job),
                         .masked_attention = masked_candidates(job),
                         .attend = attend,
                         .products = matmuls_seen,
                         .algorithms = matmul_algorithms,
                         .multiply = multiply_by,
                         .fused = cpu ? make_cpu_engine : make_tensor_engine,
                         .eager = make_eager_engine};
  subjects.kernels = cpu ? cpu_kernel_checks() : tensor_kernel_checks(job);
  if (cpu && job.compute.type == at::kHalf) subjects.fused = nullptr;
  return subjects;
}

}  // namespace gpt
