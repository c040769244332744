#include "gpt/kernels/ops/cross_entropy.h"

#include "kernels/cuda/backend.h"

namespace gpt {

namespace {

std::int64_t vocabulary(const CrossEntropyArgs& args) {
  return args.vocab > 0 ? args.vocab : args.logits_NV.size(1);
}

void require_targets_in_range(const CrossEntropyArgs& args) {
  const std::int64_t vocab = vocabulary(args);
  const at::Tensor wrong =
      at::logical_and(args.target_N.ne(args.ignore_index),
                      at::logical_or(args.target_N.lt(0), args.target_N.ge(vocab)));
  if (!wrong.any().item<bool>()) return;
  const auto row = wrong.nonzero()[0][0].item<std::int64_t>();
  TORCH_CHECK_INDEX(false, "cross entropy: target ", args.target_N[row].item<std::int64_t>(),
                    " of row ", row, " is outside the vocabulary of ", vocab);
}

void run(const CrossEntropyArgs& args) {
  TORCH_CHECK(args.logits_NV.is_contiguous() && args.target_N.is_contiguous() &&
                  args.loss_N.is_contiguous() && args.target_N.device() == args.logits_NV.device(),
              "cross_entropy_: contiguous tensors on one device are needed");
  run_kernel(args.logits_NV, [&](void* stream) {
    return launch_cross_entropy({.logits = args.logits_NV.mutable_data_ptr(),
                                 .target = args.target_N.const_data_ptr<std::int64_t>(),
                                 .loss = args.loss_N.mutable_data_ptr(),
                                 .rows = args.logits_NV.size(0),
                                 .vocab = vocabulary(args),
                                 .stride = args.logits_NV.size(1),
                                 .ignore_index = args.ignore_index,
                                 .scale = args.scale,
                                 .gradient = args.gradient,
                                 .type = float_type(args.logits_NV.scalar_type())},
                                stream);
  });
}

}  // namespace

void cross_entropy_(const CrossEntropyArgs& args) {
  if (has_kernels(args.logits_NV)) return run(args);
  require_targets_in_range(args);
  plain_cross_entropy_(args);
}

void plain_cross_entropy_(const CrossEntropyArgs& args) {
  const bool half =
      args.logits_NV.scalar_type() == at::kBFloat16 || args.logits_NV.scalar_type() == at::kHalf;
  const std::int64_t vocab = vocabulary(args), padding = args.logits_NV.size(1) - vocab;
  const at::Tensor logits_NV = args.logits_NV.narrow(1, 0, vocab);
  // Everything below happens in one buffer of N x V; half types need a float32 one in addition.
  at::Tensor p_NV = half ? logits_NV.to(at::kFloat) : logits_NV;
  const at::Tensor ignored_N1 = args.target_N.eq(args.ignore_index).unsqueeze(1);
  const at::Tensor column_N1 = args.target_N.unsqueeze(1).masked_fill(ignored_N1, 0);

  p_NV.sub_(p_NV.amax(/*dim=*/1, /*keepdim=*/true));
  const at::Tensor target_logit_N1 = p_NV.gather(1, column_N1);
  p_NV.exp_();
  const at::Tensor sum_N1 = p_NV.sum(/*dim=*/1, /*keepdim=*/true);
  args.loss_N.copy_((sum_N1.log() - target_logit_N1).masked_fill(ignored_N1, 0).squeeze(1));
  if (!args.gradient) return;

  const at::Tensor scale_N1 = at::full_like(sum_N1, args.scale).masked_fill(ignored_N1, 0);
  p_NV.mul_(scale_N1 / sum_N1);
  p_NV.scatter_add_(1, column_N1, scale_N1.neg());
  if (half) logits_NV.copy_(p_NV);
  if (padding > 0) args.logits_NV.narrow(1, vocab, padding).zero_();
}

}  // namespace gpt
