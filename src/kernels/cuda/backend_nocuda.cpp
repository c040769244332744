// A build without CUDA has no CUDA tensors, so no kernel is ever launched.
#include "backend.h"

namespace gpt {

bool has_kernels(const at::Tensor&) {
  return false;
}

void run_kernel(const at::Tensor&, c10::function_ref<int(void* stream)>) {
  TORCH_CHECK(false, "this gpttrain was built without CUDA");
}

// Named where the kernels are called; has_kernels keeps them out of reach.
int launch_cross_entropy(const CrossEntropyLaunch&, void*) {
  return 1;
}
int launch_causal_softmax(const CausalSoftmaxLaunch&, void*) {
  return 1;
}
int launch_tiled_attention(const TiledAttentionLaunch&, void*) {
  return 1;
}
int launch_tiled_attention_backward(const TiledAttentionLaunch&, void*) {
  return 1;
}
int launch_dropout(const DropoutLaunch&, void*) {
  return 1;
}
int launch_add_layer_norm(const AddLayerNormLaunch&, void*) {
  return 1;
}
int launch_layer_norm_backward(const LayerNormBackwardLaunch&, void*) {
  return 1;
}
int launch_gelu(const GeluLaunch&, void*) {
  return 1;
}
int launch_column_sums(const ColumnSumsLaunch&, void*) {
  return 1;
}
int launch_gelu_backward_sums(const GeluSumsLaunch&, void*) {
  return 1;
}
int launch_join_sums(const JoinSumsLaunch&, void*) {
  return 1;
}
int launch_add_rows(const AddRowsLaunch&, void*) {
  return 1;
}
int launch_embedding(const EmbeddingLaunch&, void*) {
  return 1;
}
int launch_embedding_gradient(const EmbeddingGradientLaunch&, void*) {
  return 1;
}
int launch_square_sums(const SquareSumsLaunch&, void*) {
  return 1;
}
int launch_adamw(const AdamWLaunch&, void*) {
  return 1;
}

}  // namespace gpt
