// Plain functions over device pointers, implemented in .cu files that see no Torch header
// (nvcc 13 is kept at C++17). `stream` is a cudaStream_t. Each returns cudaGetLastError().
// "Real" is the type of statistics: float64 with float64 data, else float32. All rows are packed.
#pragma once

#include <cstdint>

#include "dropout_mask.h"

namespace gpt {

enum class Float { kFloat32, kFloat64, kBFloat16, kFloat16 };

struct CrossEntropyLaunch {
  // (rows, stride), overwritten by the gradient if `gradient`: columns from `vocab` on are padding,
  // which is not read and has no gradient.
  void* logits;
  const std::int64_t* target;
  void* loss;  // Real
  std::int64_t rows, vocab, stride, ignore_index;
  double scale;
  bool gradient;
  Float type;
};
int launch_cross_entropy(const CrossEntropyLaunch& args, void* stream);

struct DropoutLaunch {
  const void* in;
  void* out;
  const std::int64_t* sequence;  // device memory
  std::int64_t rows, size;       // elements per row
  DropoutStream stream;
  Float type;
};
int launch_dropout(const DropoutLaunch& args, void* stream);

// Row r is of token r % tokens of sequence r / (heads * tokens): of its columns those up to that
// token count, from its `start` on; the rest become 0.
struct CausalSoftmaxLaunch {
  void* scores;               // (rows, tokens), overwritten by dropout(softmax(scale * scores))
  void* gradient;             // of that, overwritten by that of the scores; or null
  const std::int64_t* start;  // (sequences, tokens); null: all start at 0
  std::int64_t rows, tokens, heads;
  double scale;
  DropoutRows dropout;
  Float type;
};
int launch_causal_softmax(const CausalSoftmaxLaunch& args, void* stream);

// A tensor (sequences, heads, tokens, width) by its strides, in elements; that of width is 1.
template <class Pointer>
struct HeadsOf {
  Pointer data = nullptr;
  std::int64_t sequence = 0, head = 0, token = 0;
};

// y = dropout(softmax(scale * q k^T)) v, where a token sees those from its start to itself. Types
// are of 16 bits, widths multiples of 16 up to 128. Rows of `logsumexp`, to the base 2, and `delta`
// are (sequences, heads, tokens).
struct TiledAttentionLaunch {
  HeadsOf<const void*> q, k, v;
  HeadsOf<void*> y;  // read by backward
  float* logsumexp;
  // Backward's; delta, the sums of dy * y, is its scratch.
  HeadsOf<const void*> dy = {};
  HeadsOf<void*> dq = {}, dk = {}, dv = {};
  float* delta = nullptr;
  // (sequences, tokens), of a sequence in ascending order; null: all start at 0.
  const std::int64_t* start;
  std::int64_t sequences, heads, tokens, width;
  double scale;
  DropoutRows dropout;  // of heads * tokens rows a sequence
  Float type;
};
int launch_tiled_attention(const TiledAttentionLaunch& args, void* stream);
int launch_tiled_attention_backward(const TiledAttentionLaunch& args, void* stream);

// sum = x + dropout(branch); y = LayerNorm(sum). Without a branch, sum is x and is not written.
struct AddLayerNormLaunch {
  const void *x, *branch;       // (rows, width): Real; type, or null
  const void *weight, *bias;    // (width): Real; bias may be null
  void *sum, *y, *mean, *rstd;  // Real; type; (rows) Real each
  std::int64_t rows, width;
  double epsilon;
  DropoutRows dropout;
  Float type;
};
int launch_add_layer_norm(const AddLayerNormLaunch& args, void* stream);

// dx (+)= the gradient through LayerNorm; dbranch = dropout(dx). Sums over rows of dy * xhat and dy
// are left to launch_add_rows, as `blocks` rows of 2 * width.
struct LayerNormBackwardLaunch {
  const void *dy, *x, *mean, *rstd, *weight;  // (rows, width) type; Real from here on
  void *dx, *dbranch, *partial;               // Real; type, or null; (blocks, 2 * width) Real
  std::int64_t rows, width;
  int blocks;
  bool accumulate;  // dx holds the residual's gradient
  DropoutRows dropout;
  Float type;
};
int launch_layer_norm_backward(const LayerNormBackwardLaunch& args, void* stream);

// out = gelu(in), or with up: out = up * gelu'(in), where out may be up itself.
struct GeluLaunch {
  const void *in, *up;
  void* out;
  std::int64_t count;
  bool tanh;
  Float type;
};
int launch_gelu(const GeluLaunch& args, void* stream);

// partial[s] = sum of the rows of chunk s; chunks are as equal as they can be.
struct ColumnSumsLaunch {
  const void* in;  // (rows, columns)
  void* partial;   // (chunks, columns) Real
  std::int64_t rows, columns, chunks;
  Float type;
};
int launch_column_sums(const ColumnSumsLaunch& args, void* stream);

// up *= gelu'(in), in place, and the column sums of that as launch_column_sums makes them.
struct GeluSumsLaunch {
  const void* in;  // (rows, columns)
  void *up, *partial;
  std::int64_t rows, columns, chunks;
  bool tanh;
  Float type;
};
int launch_gelu_backward_sums(const GeluSumsLaunch& args, void* stream);

// A row of out is a row of each part, side by side; and, unless `partial` is null, the column sums
// of that as launch_column_sums makes them.
struct JoinSumsLaunch {
  const void* parts[3];  // (rows, width) each
  void *out, *partial;
  std::int64_t rows, width, chunks;
  Float type;
};
int launch_join_sums(const JoinSumsLaunch& args, void* stream);

// out += the sum of `rows` rows, each `columns` wide and `stride` apart, in an order that depends
// on `rows` and `columns` alone.
struct AddRowsLaunch {
  const void* in;
  void* out;
  std::int64_t rows, columns, stride;
  Float type;  // of both: kFloat32 or kFloat64
};
int launch_add_rows(const AddRowsLaunch& args, void* stream);

// out[n] = dropout(wte[token[n]] + wpe[n % tokens_per_sequence]), all of one Real type.
struct EmbeddingLaunch {
  const std::int64_t* token;
  const void *wte, *wpe;
  void* out;
  std::int64_t rows, width, tokens_per_sequence;
  DropoutRows dropout;
  Float type;
};
int launch_embedding(const EmbeddingLaunch& args, void* stream);

// gradient[token] += the sum of dx[order[i]] over that token's run in `sorted`. dx is scratch.
struct EmbeddingGradientLaunch {
  const std::int64_t *sorted, *order;
  void *dx, *gradient;  // (rows, width), (V, width): Real
  std::int64_t rows, width;
  Float type;
};
int launch_embedding_gradient(const EmbeddingGradientLaunch& args, void* stream);

// The optimizer's functions work on all parameters at once, in float32.

// A piece of a tensor: what one block does.
struct ParameterPiece {
  float *parameter, *exp_avg, *exp_avg_sq;
  const float* gradient;
  const float* step;  // counts this update
  std::int64_t count;
  float weight_decay;
};

// partial[i] = sum of gradient^2 over piece i.
struct SquareSumsLaunch {
  const ParameterPiece* pieces;  // device memory
  double* partial;
  std::int64_t count;
};
int launch_square_sums(const SquareSumsLaunch& args, void* stream);

// AdamW with the gradient times *factor. Nothing is written where *skip is 1.
struct AdamWLaunch {
  const ParameterPiece* pieces;  // device memory
  const float *factor, *skip;
  std::int64_t count;
  double learning_rate, beta1, beta2, epsilon;
};
int launch_adamw(const AdamWLaunch& args, void* stream);

}  // namespace gpt
