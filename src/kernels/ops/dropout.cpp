#include "gpt/kernels/ops/dropout.h"

#include <algorithm>
#include <cmath>

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include "gpt/base/splitmix64.h"

#include "dropout_rows.h"
#include "kernels/cuda/backend.h"

namespace gpt {

namespace {

DropoutStream stream_of(double p, const DropoutPlace& place) {
  const std::uint64_t where =
      static_cast<std::uint64_t>(place.layer + 1) * 4 + static_cast<std::uint64_t>(place.site);
  const std::uint64_t key = splitmix64(splitmix64(static_cast<std::uint64_t>(place.seed)) ^ where ^
                                       (static_cast<std::uint64_t>(place.step) >> 32 << 32));
  return {
      .key0 = static_cast<std::uint32_t>(key),
      .key1 = static_cast<std::uint32_t>(key >> 32),
      .threshold = static_cast<std::uint32_t>(std::min(std::ceil(p * 4294967296.0), 4294967295.0)),
      .step = static_cast<std::uint32_t>(place.step),
      .scale = 1.0 / (1.0 - p),
      .step_in_memory =
          place.step_1.defined() ? place.step_1.const_data_ptr<std::int64_t>() : nullptr};
}

template <class T>
void drop_row(const T* in, T* out, std::int64_t size, std::uint32_t sequence,
              const DropoutStream& stream) {
  using Wide = std::conditional_t<std::is_same_v<T, double>, double, float>;
  const auto scale = static_cast<Wide>(stream.scale);
  for (std::int64_t at = 0; at < size; at += 4) {
    const PhiloxBlock words = dropout_words(stream, static_cast<std::uint64_t>(at) / 4, sequence);
    for (std::int64_t i = at; i < std::min(at + 4, size); ++i)
      out[i] = words.word[i - at] < stream.threshold ? T(0) : T(static_cast<Wide>(in[i]) * scale);
  }
}

at::Tensor drop(const at::Tensor& x, const at::Tensor& sequence_B, const DropoutStream& stream) {
  const at::Tensor in = x.contiguous();
  at::Tensor out = at::empty_like(in);
  const std::int64_t rows = sequence_B.size(0), size = in.numel() / std::max<std::int64_t>(rows, 1);
  if (has_kernels(in)) {
    const at::Tensor on_device = sequence_B.to(in.device());
    run_kernel(in, [&](void* queue) {
      return launch_dropout({.in = in.const_data_ptr(),
                             .out = out.mutable_data_ptr(),
                             .sequence = on_device.const_data_ptr<std::int64_t>(),
                             .rows = rows,
                             .size = size,
                             .stream = stream,
                             .type = float_type(in.scalar_type())},
                            queue);
    });
    return out;
  }
  // A card whose kernels are not to be trusted: the mask is that of the CPU.
  if (!in.is_cpu()) return drop(in.to(at::kCPU), sequence_B.to(at::kCPU), stream).to(in.device());
  const std::int64_t* sequence = sequence_B.const_data_ptr<std::int64_t>();
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kBFloat16, at::kHalf, in.scalar_type(), "keyed_dropout", [&] {
    const scalar_t* from = in.const_data_ptr<scalar_t>();
    scalar_t* to = out.mutable_data_ptr<scalar_t>();
    at::parallel_for(0, rows, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row)
        drop_row(from + row * size, to + row * size, size,
                 static_cast<std::uint32_t>(sequence[row]), stream);
    });
  });
  return out;
}

struct KeyedDropout : torch::autograd::Function<KeyedDropout> {
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x, double p,
                            const at::Tensor& sequence_B, std::int64_t seed, std::int64_t step,
                            std::int64_t layer, std::int64_t site) {
    ctx->saved_data["p"] = p;
    ctx->saved_data["sequence"] = sequence_B;
    ctx->saved_data["place"] = std::vector<std::int64_t>{seed, step, layer, site};
    return drop(x, sequence_B, stream_of(p, {seed, step, layer, static_cast<int>(site)}));
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const auto place = ctx->saved_data["place"].toIntVector();
    const DropoutStream stream =
        stream_of(ctx->saved_data["p"].toDouble(),
                  {place[0], place[1], place[2], static_cast<int>(place[3])});
    const at::Tensor none;
    return {drop(grads[0], ctx->saved_data["sequence"].toTensor(), stream),
            none,
            none,
            none,
            none,
            none,
            none};
  }
};

}  // namespace

at::Tensor keyed_dropout(const at::Tensor& x, double p, const at::Tensor& sequence_B,
                         const DropoutPlace& place) {
  if (p == 0) return x;
  TORCH_CHECK(sequence_B.dim() == 1 && sequence_B.size(0) == x.size(0),
              "keyed_dropout: one sequence index per row of x is needed");
  if (place.step_1.defined()) return drop(x, sequence_B, stream_of(p, place));
  return KeyedDropout::apply(x, p, sequence_B, place.seed, place.step, place.layer,
                             static_cast<std::int64_t>(place.site));
}

DropoutRows launch_rows(const RowDropout& dropout) {
  if (dropout.p == 0) return {};
  return {.stream = stream_of(dropout.p, dropout.place),
          .sequence = dropout.sequence_B.const_data_ptr<std::int64_t>(),
          .rows_per_sequence = dropout.tokens};
}

at::Tensor plain_row_dropout(const at::Tensor& x, const RowDropout& dropout) {
  if (dropout.p == 0) return x;
  const at::Tensor x_BTC = x.view({dropout.sequence_B.size(0), dropout.tokens, x.size(1)});
  return keyed_dropout(x_BTC, dropout.p, dropout.sequence_B, dropout.place).view(x.sizes());
}

SequenceDropout::SequenceDropout(double p, const DropoutPlace& place) {
  const DropoutStream stream = stream_of(p, place);
  key0_ = stream.key0;
  key1_ = stream.key1;
  threshold_ = stream.threshold;
  step_ = stream.step;
  scale_ = static_cast<float>(stream.scale);
}

void SequenceDropout::operator()(float* x, std::int64_t first, std::int64_t count,
                                 std::int64_t sequence) const {
  const DropoutStream stream{key0_, key1_, threshold_, step_, 1};
  for (std::int64_t quad = first / 4; quad * 4 < first + count; ++quad) {
    const PhiloxBlock words = dropout_words(stream, static_cast<std::uint64_t>(quad),
                                            static_cast<std::uint32_t>(sequence));
    const std::int64_t end = std::min(quad * 4 + 4, first + count);
    for (std::int64_t i = std::max(quad * 4, first); i < end; ++i)
      x[i - first] = words.word[i - quad * 4] < threshold_ ? 0.0f : x[i - first] * scale_;
  }
}

at::Tensor keyed_dropout_mask_reference(double p, const at::Tensor& sequence_B,
                                        std::int64_t elements_per_sequence,
                                        const DropoutPlace& place) {
  const DropoutStream stream = stream_of(p, place);
  at::Tensor mask = at::empty({sequence_B.size(0), elements_per_sequence}, at::kDouble);
  for (std::int64_t row = 0; row < mask.size(0); ++row) {
    const auto sequence = static_cast<std::uint32_t>(sequence_B[row].item<std::int64_t>());
    for (std::int64_t i = 0; i < elements_per_sequence; ++i) {
      const PhiloxBlock words = dropout_words(stream, static_cast<std::uint64_t>(i) / 4, sequence);
      const bool dropped = static_cast<double>(words.word[i % 4]) / 4294967296.0 < p;
      mask[row][i] = dropped ? 0.0 : 1.0 / (1.0 - p);
    }
  }
  return mask;
}

}  // namespace gpt
