// Plain functions over device pointers, implemented in .cu files that see no Torch header
// (nvcc 13 is kept at C++17). `stream` is a cudaStream_t. Each returns cudaGetLastError().
#pragma once

#include <cstdint>

#include "dropout_mask.h"

namespace gpt {

enum class Float { kFloat32, kFloat64, kBFloat16, kFloat16 };

struct CrossEntropyLaunch {
  void* logits;  // (rows, vocab), overwritten by the gradient if `gradient`
  const std::int64_t* target;
  void* loss;  // float32; float64 for float64 logits
  std::int64_t rows, vocab, ignore_index;
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

}  // namespace gpt
