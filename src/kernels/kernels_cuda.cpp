// From tensors to the plain launch functions of the .cu files.
#include <ATen/cuda/CUDAContext.h>
#include <c10/cuda/CUDAGuard.h>

#include "cuda_kernels.h"
#include "launch.h"

namespace gpt {

namespace {

Float float_type(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return Float::kFloat32;
    case at::kDouble:
      return Float::kFloat64;
    case at::kBFloat16:
      return Float::kBFloat16;
    case at::kHalf:
      return Float::kFloat16;
    default:
      TORCH_CHECK(false, "a floating-point tensor was expected, got ", tensor.scalar_type());
  }
}

}  // namespace

void cross_entropy_cuda(const CrossEntropyArgs& args) {
  const c10::cuda::CUDAGuard guard(args.logits_NV.device());
  TORCH_CHECK(args.logits_NV.is_contiguous() && args.target_N.is_contiguous() &&
                  args.loss_N.is_contiguous() && args.target_N.is_cuda(),
              "cross_entropy_: contiguous tensors on one device are needed");
  const auto status = launch_cross_entropy({.logits = args.logits_NV.mutable_data_ptr(),
                                            .target = args.target_N.const_data_ptr<std::int64_t>(),
                                            .loss = args.loss_N.mutable_data_ptr(),
                                            .rows = args.logits_NV.size(0),
                                            .vocab = args.logits_NV.size(1),
                                            .ignore_index = args.ignore_index,
                                            .scale = args.scale,
                                            .gradient = args.gradient,
                                            .type = float_type(args.logits_NV)},
                                           at::cuda::getCurrentCUDAStream());
  C10_CUDA_CHECK(static_cast<cudaError_t>(status));
}

void dropout_cuda(const at::Tensor& in, const at::Tensor& out, const at::Tensor& sequence_B,
                  const DropoutStream& stream) {
  const c10::cuda::CUDAGuard guard(in.device());
  const at::Tensor sequence = sequence_B.to(in.device());
  const auto status = launch_dropout({.in = in.const_data_ptr(),
                                      .out = out.mutable_data_ptr(),
                                      .sequence = sequence.const_data_ptr<std::int64_t>(),
                                      .rows = sequence.size(0),
                                      .size = in.numel() / sequence.size(0),
                                      .stream = stream,
                                      .type = float_type(in)},
                                     at::cuda::getCurrentCUDAStream());
  C10_CUDA_CHECK(static_cast<cudaError_t>(status));
}

}  // namespace gpt
