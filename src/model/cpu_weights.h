// A model's weights and gradients as the CPU engine's loops see them: plain pointers.
#pragma once

#include <cstdint>
#include <vector>

#include "gpt/kernels/cpu/row_kernels.h"
#include "gpt/kernels/gemm/gemm_backend.h"
#include "gpt/model/gpt.h"

namespace gpt {

// A matrix or vector of the model. Gradients are float32 and are added to.
struct CpuWeight {
  const float* f32 = nullptr;  // null: the model has no such bias
  const Bf16* bf16 = nullptr;  // the copy for matmuls, of matrices in bfloat16 runs
  // As matrix B of the GEMMs of forward and of the input's gradient; null where none is kept
  // packed.
  const unsigned char *packed_forward = nullptr, *packed_backward = nullptr;
  std::int64_t gradient = 0;  // where its gradient begins, in floats
};

struct CpuLayerWeights {
  CpuWeight norm1, norm1_bias, qkv, qkv_bias, proj, proj_bias;
  CpuWeight norm2, norm2_bias, fc, fc_bias, proj2, proj2_bias;
};

class CpuWeights {
 public:
  // `model` must outlive it. With `low`, matmuls read bfloat16 copies, made by refresh().
  CpuWeights(const Gpt& model, bool low);

  // Matrices packed for the native GEMM are there from now on, in so many bytes
  // (cpu_packed_bytes), or are not (0). True: refresh() is needed.
  bool keep_packed(std::int64_t bytes);

  // Copies and packs the matrices again, on all threads.
  void refresh();

  CpuWeight wte, wpe, norm_f, norm_f_bias;
  std::vector<CpuLayerWeights> layers;

  // Gradients lie in one stretch of floats: matrices first, then vectors.
  std::int64_t gradient_size() const { return size_; }
  std::int64_t vectors_begin() const { return vectors_begin_; }

  // The parameters' .grad() become views of `flat`, which is of gradient_size().
  void attach_gradients(const at::Tensor& flat) const;
  // Do they all have a gradient, and is it the view of `flat`?
  bool gradients_attached(const at::Tensor& flat) const;

 private:
  struct Piece {
    std::int64_t gradient, low;  // offsets; low: -1 for vectors
  };
  // A matrix (rows, columns) that may be packed.
  struct Packable {
    std::int64_t rows, columns;
    CpuWeight* weight;
  };
  CpuWeight next();
  void lay_out();
  void copy_low();
  // Calls visit(matrix, forward, backward), the places of its packed forms, for each.
  template <class T>
  void each_packed(const NativeGemm<T>& native, const auto& visit) const;
  template <class T>
  void place_packed(const NativeGemm<T>& native);
  template <class T>
  void pack(const NativeGemm<T>& native, const T* CpuWeight::*from);

  const Gpt& model_;
  at::Tensor low_, packed_;
  std::vector<Packable> packable_;
  std::vector<Piece> pieces_;  // in the order of model.parameters()
  std::size_t at_ = 0;
  std::int64_t size_ = 0, vectors_begin_ = 0;
};

}  // namespace gpt
