// Skinny GEMM and GEMV: dot products of a few rows x with the rows of a matrix, for SIMD vectors of
// any width. One file per instruction set includes this; it holds nothing but templates of the
// width, so that no two of those files define the same function for different processors.
#pragma once

#include <cstdint>

namespace gpt {

struct SkinnyGemm {
  const void* weight = nullptr;  // (outputs, inputs), float32 or bfloat16
  bool bf16 = false;
  const float* x = nullptr;     // (rows, inputs)
  const float* bias = nullptr;  // (outputs) or null
  float* y = nullptr;           // (rows, outputs)
  std::int64_t rows = 0, inputs = 0, outputs = 0;
};

// Outputs [first, last) of all rows.
void skinny_gemm_avx2(const SkinnyGemm& skinny, std::int64_t first, std::int64_t last);
void skinny_gemm_avx512(const SkinnyGemm& skinny, std::int64_t first, std::int64_t last);

// g++ 12 takes no vector_size that depends on a template's parameter.
template <int Width>
struct Lanes;
template <>
struct Lanes<4> {
  typedef float Values __attribute__((vector_size(16)));
  typedef std::uint32_t Bits __attribute__((vector_size(16)));
  typedef std::uint16_t Halves __attribute__((vector_size(8)));
};
template <>
struct Lanes<8> {
  typedef float Values __attribute__((vector_size(32)));
  typedef std::uint32_t Bits __attribute__((vector_size(32)));
  typedef std::uint16_t Halves __attribute__((vector_size(16)));
};
template <>
struct Lanes<16> {
  typedef float Values __attribute__((vector_size(64)));
  typedef std::uint32_t Bits __attribute__((vector_size(64)));
  typedef std::uint16_t Halves __attribute__((vector_size(32)));
};

template <int Width>
struct SkinnyGemmKernel {
  using Values = typename Lanes<Width>::Values;
  using Bits = typename Lanes<Width>::Bits;
  using Halves = typename Lanes<Width>::Halves;

  static constexpr int kOutputs = 4;                 // matrix rows in flight
  static constexpr int kRows = Width == 16 ? 4 : 2;  // x rows in flight: what registers hold
  static constexpr std::int64_t kAhead = 1024;       // bytes to prefetch ahead

  static Values load(const float* from) {
    Values value;
    __builtin_memcpy(&value, from, sizeof value);
    return value;
  }
  // A bfloat16 is the upper half of a float.
  static Values load(const std::uint16_t* from) {
    Halves halves;
    __builtin_memcpy(&halves, from, sizeof halves);
    return reinterpret_cast<Values>(__builtin_convertvector(halves, Bits) << 16);
  }
  static float scalar(const float* from) { return *from; }
  static float scalar(const std::uint16_t* from) {
    const std::uint32_t bits = static_cast<std::uint32_t>(*from) << 16;
    float value;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
  }

  // One sum of Width lanes for each pair, so the order of summation is the same for any block.
  template <int Outputs, int Rows, class Weight>
  static void block(const SkinnyGemm& p, std::int64_t o, std::int64_t n) {
    const Weight* weight = static_cast<const Weight*>(p.weight) + o * p.inputs;
    const float* x = p.x + n * p.inputs;
    const std::int64_t whole = p.inputs / Width * Width;
    Values sum[Outputs][Rows] = {};
    for (std::int64_t i = 0; i < whole; i += Width) {
      Values row[Rows];
      for (int r = 0; r < Rows; ++r) row[r] = load(x + r * p.inputs + i);
      for (int k = 0; k < Outputs; ++k) {
        const Weight* at = weight + k * p.inputs + i;
        __builtin_prefetch(reinterpret_cast<const char*>(at) + kAhead);
        const Values w = load(at);
        for (int r = 0; r < Rows; ++r) sum[k][r] += w * row[r];
      }
    }
    for (int k = 0; k < Outputs; ++k)
      for (int r = 0; r < Rows; ++r) {
        float total = 0;
        for (int lane = 0; lane < Width; ++lane) total += sum[k][r][lane];
        for (std::int64_t i = whole; i < p.inputs; ++i)
          total += scalar(weight + k * p.inputs + i) * x[r * p.inputs + i];
        p.y[(n + r) * p.outputs + o + k] = total + (p.bias ? p.bias[o + k] : 0.0F);
      }
  }

  template <int Outputs, class Weight>
  static void all_rows(const SkinnyGemm& p, std::int64_t o) {
    std::int64_t n = 0;
    for (; n + kRows <= p.rows; n += kRows) block<Outputs, kRows, Weight>(p, o, n);
    for (; n < p.rows; ++n) block<Outputs, 1, Weight>(p, o, n);
  }

  template <class Weight>
  static void all(const SkinnyGemm& p, std::int64_t first, std::int64_t last) {
    for (; first + kOutputs <= last; first += kOutputs) all_rows<kOutputs, Weight>(p, first);
    for (; first < last; ++first) all_rows<1, Weight>(p, first);
  }

  static void run(const SkinnyGemm& p, std::int64_t first, std::int64_t last) {
    return p.bf16 ? all<std::uint16_t>(p, first, last) : all<float>(p, first, last);
  }
};

}  // namespace gpt
