#include "gpt/formats/finite.h"

#include <limits>

#include <gtest/gtest.h>

#include "support/error_text.h"

namespace gpt {
namespace {

template <class T>
TensorView view(const std::string& name, const std::string& dtype, const std::vector<T>& values) {
  return {
      name, dtype, {static_cast<std::int64_t>(values.size())}, std::as_bytes(std::span(values))};
}

TEST(Finite, OrdinaryValuesPassInEveryType) {
  const std::vector<float> single{0.f, -1.f, 3.4e38f, 1e-45f};
  const std::vector<double> twice{1e308, -0.0};
  const std::vector<std::uint16_t> half{0x7BFF, 0x3C00, 0x0001}, brain{0x7F7F, 0x3F80};
  const std::vector<std::int64_t> whole{-1, std::numeric_limits<std::int64_t>::max()};
  const std::vector<TensorView> all{view("a", "F32", single), view("b", "F64", twice),
                                    view("c", "F16", half), view("d", "BF16", brain),
                                    view("e", "I64", whole)};
  EXPECT_EQ(non_finite_values(all), "");
  EXPECT_EQ(testing::error_text([&] { require_finite(all, "x"); }), "");
}

TEST(Finite, EachTypesNanAndInfinityIsFound) {
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> single{0.f, -inf, std::numeric_limits<float>::quiet_NaN()};
  EXPECT_EQ(non_finite_values(std::vector{view("w", "F32", single)}),
            "w: 2 of 3 value(s) are NaN or infinite");
  const std::vector<double> twice{static_cast<double>(inf)};
  EXPECT_NE(non_finite_values(std::vector{view("w", "F64", twice)}), "");
  const std::vector<std::uint16_t> half{0xFC00}, brain{0xFF81};
  EXPECT_NE(non_finite_values(std::vector{view("w", "F16", half)}), "");
  EXPECT_NE(non_finite_values(std::vector{view("w", "BF16", brain)}), "");
}

TEST(Finite, TheErrorNamesTheFirstAndCountsTheOthers) {
  const std::vector<float> good{1.f}, bad{std::numeric_limits<float>::quiet_NaN()};
  const std::vector<TensorView> all{view("a", "F32", good), view("b", "F32", bad),
                                    view("c", "F32", bad), view("d", "F32", bad)};
  EXPECT_EQ(testing::error_text([&] { require_finite(all, "run/model.safetensors"); }),
            "run/model.safetensors: b: 1 of 1 value(s) are NaN or infinite, and so are some of 2 "
            "more tensor(s); take a checkpoint from before the run diverged (`gpttrain import` "
            "and `export` take this one all the same with --allow_nonfinite=True)");
}

}  // namespace
}  // namespace gpt
