#include "gpt/kernels/ops/causal_softmax.h"

#include <limits>

#include <ATen/ATen.h>

#include "dropout_rows.h"
#include "kernels/cuda/backend.h"

namespace gpt {

namespace {

at::Tensor dropped_weights(const at::Tensor& weights_BHTT, const RowDropout& dropout) {
  return keyed_dropout(weights_BHTT, dropout.p, dropout.sequence_B, dropout.place);
}

}  // namespace

void causal_softmax_(const CausalSoftmax& args) {
  const at::Tensor &scores = args.scores_BHTT, &gradient = args.gradient_BHTT;
  if (!has_kernels(scores)) return plain_causal_softmax_(args);
  TORCH_CHECK(
      scores.is_contiguous() && scores.size(2) == scores.size(3) &&
          (!gradient.defined() || (gradient.is_contiguous() && gradient.sizes() == scores.sizes() &&
                                   gradient.scalar_type() == scores.scalar_type())),
      "causal_softmax_: contiguous tensors of one shape and type are needed");
  const at::Tensor start_BT = args.start_BT.defined() ? args.start_BT.contiguous() : at::Tensor();
  TORCH_CHECK(!start_BT.defined() ||
                  (start_BT.scalar_type() == at::kLong &&
                   start_BT.sizes() == at::IntArrayRef({scores.size(0), scores.size(3)})),
              "causal_softmax_: where rows start is needed for every token");
  RowDropout dropout = args.dropout;
  dropout.tokens = scores.size(1) * scores.size(2);
  if (dropout.p > 0) dropout.sequence_B = dropout.sequence_B.to(scores.device());
  run_kernel(scores, [&](void* stream) {
    return launch_causal_softmax(
        {.scores = scores.mutable_data_ptr(),
         .gradient = mutable_pointer(gradient),
         .start = start_BT.defined() ? start_BT.const_data_ptr<std::int64_t>() : nullptr,
         .rows = scores.size(0) * dropout.tokens,
         .tokens = scores.size(3),
         .heads = scores.size(1),
         .scale = args.scale,
         .dropout = launch_rows(dropout),
         .type = float_type(scores.scalar_type())},
        stream);
  });
}

// With P = softmax(S), W = drop(P): dP = drop(dW), dS = P * (dP - rowsum(dP * P)).
void plain_causal_softmax_(const CausalSoftmax& args) {
  at::Tensor scores_BHTT = args.scores_BHTT, gradient_BHTT = args.gradient_BHTT;
  const std::int64_t tokens = scores_BHTT.size(3);
  const at::Tensor later_TT =
      at::ones({tokens, tokens}, scores_BHTT.options().dtype(at::kBool)).triu(/*diagonal=*/1);
  scores_BHTT.mul_(args.scale);
  scores_BHTT.masked_fill_(later_TT, -std::numeric_limits<double>::infinity());
  if (args.start_BT.defined()) {
    const at::Tensor column_T = at::arange(tokens, args.start_BT.options());
    const at::Tensor before_BTT = column_T < args.start_BT.unsqueeze(2);
    scores_BHTT.masked_fill_(before_BTT.unsqueeze(1), -std::numeric_limits<double>::infinity());
  }
  const at::Tensor p_BHTT = scores_BHTT.softmax(-1);
  scores_BHTT.copy_(dropped_weights(p_BHTT, args.dropout));
  if (!gradient_BHTT.defined()) return;
  const at::Tensor dp_BHTT = dropped_weights(gradient_BHTT, args.dropout);
  gradient_BHTT.copy_(
      at::_softmax_backward_data(dp_BHTT, p_BHTT, -1, p_BHTT.scalar_type()).mul_(args.scale));
}

}  // namespace gpt
