#include "gpt/kernels/ops/attention.h"

#include <cmath>
#include <limits>

namespace gpt {

at::Tensor causal_attention(const at::Tensor& q_BHTD, const at::Tensor& k_BHTD,
                            const at::Tensor& v_BHTD) {
  return at::scaled_dot_product_attention(q_BHTD, k_BHTD, v_BHTD, /*attn_mask=*/{},
                                          /*dropout_p=*/0.0, /*is_causal=*/true);
}

at::Tensor plain_causal_attention(const at::Tensor& q_BHTD, const at::Tensor& k_BHTD,
                                  const at::Tensor& v_BHTD, double dropout,
                                  const at::Tensor& sequence_B, const DropoutPlace& place) {
  const std::int64_t tokens = q_BHTD.size(2);
  const at::Tensor later_TT =
      at::ones({tokens, tokens}, q_BHTD.options().dtype(at::kBool)).triu(/*diagonal=*/1);
  const double scale = 1.0 / std::sqrt(static_cast<double>(q_BHTD.size(3)));
  at::Tensor weights_BHTT = at::matmul(q_BHTD, k_BHTD.transpose(-2, -1)) * scale;
  weights_BHTT =
      weights_BHTT.masked_fill(later_TT, -std::numeric_limits<double>::infinity()).softmax(-1);
  weights_BHTT = keyed_dropout(weights_BHTT, dropout, sequence_B, place);
  return at::matmul(weights_BHTT, v_BHTD);
}

}  // namespace gpt
