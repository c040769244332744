#include "gpt/kernels/ops/embedding.h"

#include "gpt/kernels/ops/column_sum.h"

#include "dropout_rows.h"
#include "kernels/cuda/backend.h"

namespace gpt {

at::Tensor embed(const at::Tensor& tokens_BT, const at::Tensor& wte_VC, const at::Tensor& wpe_TC,
                 const RowDropout& dropout) {
  if (!has_kernels(wte_VC)) return plain_embed(tokens_BT, wte_VC, wpe_TC, dropout);
  TORCH_CHECK(tokens_BT.is_contiguous() && tokens_BT.size(1) <= wpe_TC.size(0),
              "embed: contiguous tokens, no longer than the position embedding, are needed");
  at::Tensor out_NC = at::empty({tokens_BT.numel(), wte_VC.size(1)}, wte_VC.options());
  run_kernel(wte_VC, [&](void* stream) {
    return launch_embedding({.token = tokens_BT.const_data_ptr<std::int64_t>(),
                             .wte = wte_VC.const_data_ptr(),
                             .wpe = wpe_TC.const_data_ptr(),
                             .out = out_NC.mutable_data_ptr(),
                             .rows = out_NC.size(0),
                             .width = out_NC.size(1),
                             .tokens_per_sequence = tokens_BT.size(1),
                             .dropout = launch_rows(dropout),
                             .type = float_type(wte_VC.scalar_type())},
                            stream);
  });
  return out_NC;
}

at::Tensor plain_embed(const at::Tensor& tokens_BT, const at::Tensor& wte_VC,
                       const at::Tensor& wpe_TC, const RowDropout& dropout) {
  const at::Tensor x_BTC =
      at::embedding(wte_VC, tokens_BT) + wpe_TC.narrow(0, 0, tokens_BT.size(1));
  return plain_row_dropout(x_BTC.flatten(0, 1), dropout);
}

void embed_backward_(const at::Tensor& tokens_BT, const at::Tensor& dx_NC,
                     const at::Tensor& dwte_VC, const at::Tensor& dwpe_TC) {
  if (!has_kernels(dx_NC)) return plain_embed_backward_(tokens_BT, dx_NC, dwte_VC, dwpe_TC);
  const std::int64_t B = tokens_BT.size(0), T = tokens_BT.size(1), C = dx_NC.size(1);
  add_rows_(dx_NC.view({B, T * C}), dwpe_TC.narrow(0, 0, T).view({T * C}));
  const auto [sorted_N, order_N] =
      at::sort(tokens_BT.flatten(), /*stable=*/true, /*dim=*/0, /*descending=*/false);
  run_kernel(dx_NC, [&, sorted = sorted_N, order = order_N](void* stream) {
    return launch_embedding_gradient({.sorted = sorted.const_data_ptr<std::int64_t>(),
                                      .order = order.const_data_ptr<std::int64_t>(),
                                      .dx = dx_NC.mutable_data_ptr(),
                                      .gradient = dwte_VC.mutable_data_ptr(),
                                      .rows = B * T,
                                      .width = C,
                                      .type = float_type(dx_NC.scalar_type())},
                                     stream);
  });
}

void plain_embed_backward_(const at::Tensor& tokens_BT, const at::Tensor& dx_NC,
                           const at::Tensor& dwte_VC, const at::Tensor& dwpe_TC) {
  const std::int64_t B = tokens_BT.size(0), T = tokens_BT.size(1);
  dwpe_TC.narrow(0, 0, T).add_(dx_NC.view({B, T, -1}).sum(0));
  dwte_VC.index_add_(0, tokens_BT.flatten(), dx_NC);
}

}  // namespace gpt
