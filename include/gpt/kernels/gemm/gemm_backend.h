// The native GEMM backends: our own GEMMs of one thread, one backend per instruction set. gemm.h
// takes them where they beat MKL.
#pragma once

#include <stdint.h>
#include <string>
#include <vector>

#include "gpt/kernels/gemm/gemm.h"

namespace gpt {

// A or B of C = A B. Element (i, k): i is a row of C for A and a column of C for B, k the index
// that is summed over.
template <class T>
struct GemmOperand {
  const T* data;
  int64_t stride;
  bool k_contiguous;  // element (i, k) is data[i * stride + k]; else data[k * stride + i]
};

// A backend's GEMM of one element type. All memory begins on a cache line.
template <class T>
struct NativeGemm {
  // c = a b or c += a b. packed_b: what pack_b made of b, if it did. workspace: workspace_bytes of
  // that size or a larger one. What size.triangle says is not needed is left out.
  void (*multiply)(GemmShape size, GemmOperand<T> a, GemmOperand<T> b, PackedB packed_b, MutF32 c,
                   Into into, unsigned char* workspace);
  // Whether it is at least as fast as MKL.
  bool (*is_faster)(GemmShape size);
  int64_t (*workspace_bytes)(GemmShape most);
  // Packed B: B in the order in which multiply reads it, for use in many GEMMs. packed_bytes is its
  // size; pack_b writes the columns [first, last) of N, each a multiple of panel_columns or the
  // end. The last panel of a range may be packed with the range behind it, so a packed B is
  // complete only with all of its ranges.
  int64_t (*packed_bytes)(int64_t N, int64_t K);
  void (*pack_b)(GemmOperand<T> b, int64_t first, int64_t last, int64_t N, int64_t K,
                 unsigned char* to);
  int64_t panel_columns;
  // multiply interleaves the packing of B with its arithmetic, at no cost where M is large enough.
  bool packs_interleaved = false;
};

struct GemmBackend {
  const char* name;
  NativeGemm<float> f32;
  NativeGemm<Bf16> bf16;

  template <class T>
  const NativeGemm<T>& of() const {
    if constexpr (sizeof(T) == sizeof(float))
      return f32;
    else
      return bf16;
  }
};

// The backends of this build. A CPU may lack the instructions of some.
extern const GemmBackend kGemmAvx2, kGemmAvx512, kGemmAvx512Bf16, kGemmAmx;

// Those that this CPU can run, the plainest first; for tests.
std::vector<const GemmBackend*> runnable_gemm_backends();

// Returns `best`, this CPU's best backend or null, if it beats MKL, else null. With tiles (AMX) it
// does; without them only on processors that are not Intel's, where MKL takes a path of its own and
// has no switch against it: on an AMD Zen 3 the native backend takes 0.85 to 1.0 of its time for
// the GEMMs of a training step, on a Zen 5 MKL's float32 reaches half of oneDNN's. On an Intel CPU
// MKL is as fast as the native backend for AVX2 and 1.1 times as fast for AVX-512 (both measured on
// a Sapphire Rapids, its tiles left aside). Nothing is measured at the start: what follows from the
// processor alone is always the same on it, so that a resumed run computes the same bits.
const GemmBackend* preferred_backend(const GemmBackend* best, bool intel);

// The native backend that this process uses; null: MKL computes all GEMMs.
const GemmBackend* gemm_backend();

// Its name, or "MKL's".
std::string gemm_backend_name();

// Its GEMM of float or Bf16; null: MKL computes them.
template <class T>
const NativeGemm<T>* native_gemm() {
  const GemmBackend* backend = gemm_backend();
  return backend ? &backend->of<T>() : nullptr;
}

// The same for a model of this width: a narrow one gains less than the memory is worth.
template <class T>
const NativeGemm<T>* native_gemm(int64_t width) {
  constexpr int64_t kNarrow = 64;
  return width < kNarrow ? nullptr : native_gemm<T>();
}

// The one that this thread can use.
template <class T>
const NativeGemm<T>* native_gemm_here() {
  return has_gemm_workspace() ? native_gemm<T>() : nullptr;
}

}  // namespace gpt
