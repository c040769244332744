#include "gpt/kernels/product_choice.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <vector>

namespace gpt {

namespace {

constexpr double kClearly = 1.3;

template <class Work>
double seconds(Work work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

constexpr std::int64_t kSmall = 64, kLarge = 256;

// A linear layer's forward pass and its weight's gradient, in which the two differ in how they
// read.
template <class T>
ProductTimes measure(const PackedProducts<T>& own, T value) {
  const std::vector<T> a(kSmall * kLarge, value), b(kLarge * kLarge, value);
  std::vector<float> c(kLarge * kLarge);
  const std::int64_t bytes = own.workspace_bytes({kLarge, kLarge, kLarge});
  std::vector<unsigned char> memory(static_cast<std::size_t>(bytes + 64));
  unsigned char* workspace = memory.data();
  workspace += 64 - reinterpret_cast<std::uintptr_t>(workspace) % 64;
  const Extent forward{kSmall, kLarge, kLarge}, gradient{kLarge, kLarge, kSmall};
  const Matrix<const T> x{a.data(), kLarge}, w{b.data(), kLarge};
  const MutF32 y{c.data(), kLarge};

  const LoneThread alone;
  const ProductSpace none(nullptr);  // product_nt is MKL's
  const auto mkls = [&] {
    product_nt(forward, x, w, y, Into::kReplace);
    product_tn(gradient, x, x, y, Into::kReplace);
  };
  const auto ours = [&] {
    own.multiply(forward, {x.data, x.stride, true}, {w.data, w.stride, true}, nullptr, y,
                 Into::kReplace, workspace);
    own.multiply(gradient, {x.data, x.stride, false}, {x.data, x.stride, false}, nullptr, y,
                 Into::kReplace, workspace);
  };
  mkls();
  ours();
  constexpr double kNever = std::numeric_limits<double>::infinity();
  ProductTimes best{kNever, kNever};
  constexpr int kTries = 6;
  for (int i = 0; i < kTries; ++i)
    best = {std::min(best.mkl, seconds(mkls)), std::min(best.own, seconds(ours))};
  return best;
}

}  // namespace

bool own_products_pay(ProductTimes times) {
  return times.mkl >= kClearly * times.own;
}

ProductTimes measure_f32(const ProductSet& set) {
  return measure<float>(set.f32, 1.0f);
}

ProductTimes measure_bf16(const ProductSet& set) {
  constexpr Bf16 kOne = 0x3F80;
  return measure<Bf16>(set.bf16, kOne);
}

ProductSet where_it_pays(const ProductSet& set, ProductTimes f32, ProductTimes bf16) {
  ProductSet chosen = set;
  if (!own_products_pay(f32)) chosen.f32.multiply = nullptr;
  if (!own_products_pay(bf16)) chosen.bf16.multiply = nullptr;
  return chosen;
}

}  // namespace gpt
