#include "tiled_attention.h"

#include <cmath>

#include <ATen/ATen.h>

#include "dropout_rows.h"
#include "kernels/cuda/backend.h"

namespace gpt {

namespace {

// With neighbours of a head's width side by side.
at::Tensor with_rows(const at::Tensor& x_BHTD) {
  return x_BHTD.stride(3) == 1 ? x_BHTD : x_BHTD.contiguous();
}

HeadsOf<const void*> input(const at::Tensor& x_BHTD) {
  return {x_BHTD.const_data_ptr(), x_BHTD.stride(0), x_BHTD.stride(1), x_BHTD.stride(2)};
}

HeadsOf<void*> output(const at::Tensor& x_BHTD) {
  return {x_BHTD.mutable_data_ptr(), x_BHTD.stride(0), x_BHTD.stride(1), x_BHTD.stride(2)};
}

// What a launch reads, as it must lie.
struct TiledInput {
  at::Tensor q, k, v, start_BT;
  RowDropout dropout;

  explicit TiledInput(const AttentionInput& in)
      : q(with_rows(in.q_BHTD)),
        k(with_rows(in.k_BHTD)),
        v(with_rows(in.v_BHTD)),
        start_BT(in.start_BT.defined() ? in.start_BT.contiguous() : at::Tensor()),
        dropout{.p = in.p,
                .sequence_B = in.p > 0 ? in.sequence_B.to(q.device()) : at::Tensor(),
                .tokens = q.size(1) * q.size(2),
                .place = in.place} {
    TORCH_CHECK(tiled_attention_takes(q.size(3), q.scalar_type()) &&
                    k.scalar_type() == q.scalar_type() && v.scalar_type() == q.scalar_type() &&
                    k.sizes() == q.sizes() && v.sizes() == q.sizes(),
                "tiled attention: q, k and v of one half type and shape are needed, with heads of "
                "up to 128 in multiples of 16");
    TORCH_CHECK(
        !start_BT.defined() || (start_BT.scalar_type() == at::kLong &&
                                start_BT.sizes() == at::IntArrayRef({q.size(0), q.size(2)})),
        "tiled attention: where rows start is needed for every token");
  }

  TiledAttentionLaunch launch(const at::Tensor& y_BHTD, const at::Tensor& logsumexp_BHT) const {
    return {.q = input(q),
            .k = input(k),
            .v = input(v),
            .y = output(y_BHTD),
            .logsumexp = logsumexp_BHT.mutable_data_ptr<float>(),
            .start = start_BT.defined() ? start_BT.const_data_ptr<std::int64_t>() : nullptr,
            .sequences = q.size(0),
            .heads = q.size(1),
            .tokens = q.size(2),
            .width = q.size(3),
            .scale = 1.0 / std::sqrt(static_cast<double>(q.size(3))),
            .dropout = launch_rows(dropout),
            .type = float_type(q.scalar_type())};
  }
};

// (B, H, T, D), the heads of a token side by side; `parts` of them for a token.
at::Tensor heads_by_token(const at::Tensor& q_BHTD, std::int64_t parts) {
  const at::IntArrayRef size = q_BHTD.sizes();
  return at::empty({size[0], size[2], parts, size[1], size[3]}, q_BHTD.options());
}

}  // namespace

bool tiled_attention_takes(std::int64_t D, at::ScalarType type) {
  return (type == at::kBFloat16 || type == at::kHalf) && D % 16 == 0 && D > 0 && D <= 128;
}

AttentionOutput tiled_attention_forward(const AttentionInput& in) {
  if (!has_kernels(in.q_BHTD)) return attention_forward(AttentionKernel::kPlain, in);
  const TiledInput of(in);
  const at::Tensor y_BHTD = heads_by_token(of.q, 1).select(2, 0).transpose(1, 2);
  const at::Tensor logsumexp_BHT =
      at::empty({of.q.size(0), of.q.size(1), of.q.size(2)}, of.q.options().dtype(at::kFloat));
  run_kernel(of.q, [&](void* stream) {
    return launch_tiled_attention(of.launch(y_BHTD, logsumexp_BHT), stream);
  });
  return {y_BHTD, {logsumexp_BHT}, 0};
}

AttentionGradient tiled_attention_backward(const AttentionInput& in, const AttentionOutput& out,
                                           const at::Tensor& dy_BHTD) {
  if (!has_kernels(in.q_BHTD)) return attention_backward(AttentionKernel::kPlain, in, out, dy_BHTD);
  const TiledInput of(in);
  const at::Tensor dy = with_rows(dy_BHTD);
  const at::Tensor all_BTKHD = heads_by_token(of.q, 3);
  const auto part = [&](std::int64_t i) { return all_BTKHD.select(2, i).transpose(1, 2); };
  const AttentionGradient gradient{part(0), part(1), part(2)};
  const at::Tensor delta_BHT = at::empty_like(out.saved[0]);
  TiledAttentionLaunch launch = of.launch(out.y_BHTD, out.saved[0]);
  launch.dy = input(dy);
  launch.dq = output(gradient.dq_BHTD);
  launch.dk = output(gradient.dk_BHTD);
  launch.dv = output(gradient.dv_BHTD);
  launch.delta = delta_BHT.mutable_data_ptr<float>();
  run_kernel(of.q, [&](void* stream) { return launch_tiled_attention_backward(launch, stream); });
  return gradient;
}

}  // namespace gpt
