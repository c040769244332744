// Every GEMM backend, MKL's and each native one that this CPU can run, against ATen in float64.
#include "gpt/kernels/gemm/gemm.h"

#include <cstring>

#include <gtest/gtest.h>

#include "gpt/kernels/gemm/gemm_backend.h"

#include "support/instruction_sets.h"
#include "support/tensor_near.h"

namespace gpt {
namespace {

using testing::gemm_ways;
using testing::generator;
using testing::kEmulatedInstructions;

enum class Form { kNt, kNn, kTn };
constexpr Form kForms[] = {Form::kNt, Form::kNn, Form::kTn};

template <class T>
constexpr at::ScalarType kType = at::kFloat;
template <>
constexpr at::ScalarType kType<Bf16> = at::kBFloat16;

// A matrix inside a larger one.
struct Framed {
  Framed(const at::Tensor& values, double frame)
      : whole(at::full({values.size(0) + 2, values.size(1) + 5}, frame, values.options())),
        inside(whole.narrow(0, 1, values.size(0)).narrow(1, 3, values.size(1))) {
    inside.copy_(values);
  }

  template <class T>
  Matrix<T> matrix() const {
    using Value = std::remove_const_t<T>;
    return {static_cast<Value*>(inside.mutable_data_ptr()), whole.size(1)};
  }

  at::Tensor whole, inside;
};

// Memory that nobody may write behind.
class Guarded {
 public:
  explicit Guarded(std::int64_t bytes)
      : bytes_(bytes), memory_(at::full({bytes + 64}, kUntouched, at::kByte)) {}
  ~Guarded() { EXPECT_TRUE(memory_.narrow(0, bytes_, 64).eq(kUntouched).all().item<bool>()); }
  unsigned char* data() const { return memory_.mutable_data_ptr<std::uint8_t>(); }

 private:
  static constexpr std::uint8_t kUntouched = 0x5A;
  std::int64_t bytes_;
  at::Tensor memory_;
};

// A native backend multiplies also with a packed B.
template <class T>
void multiply(const GemmBackend* backend, Form form, GemmShape size, Matrix<const T> a,
              Matrix<const T> b, MutF32 c, Into into) {
  if (!backend) {  // this thread has no GemmWorkspace
    if (form == Form::kNt) return gemm_nt(size, a, b, c, into);
    if (form == Form::kNn) return gemm_nn(size, a, b, c, into);
    return gemm_tn(size, a, b, c, into);
  }
  const NativeGemm<T>& native = backend->of<T>();
  const GemmOperand<T> left{a.data, a.stride, form != Form::kTn};
  const GemmOperand<T> right{b.data, b.stride, form == Form::kNt};
  const Guarded workspace(native.workspace_bytes(size));
  const Guarded packed(native.packed_bytes(size.N, size.K));
  // In two ranges, as two threads would.
  const std::int64_t middle = std::min(size.N, native.panel_columns);
  native.pack_b(right, middle, size.N, size.N, size.K, packed.data());
  native.pack_b(right, 0, middle, size.N, size.K, packed.data());
  std::vector<float> copy;
  for (std::int64_t row = 0; row < size.M; ++row)
    copy.insert(copy.end(), c.data + row * c.stride, c.data + row * c.stride + size.N);
  native.multiply(size, left, right, {packed.data()}, {copy.data(), size.N}, into,
                  workspace.data());
  native.multiply(size, left, right, {}, c, into, workspace.data());
  const auto bytes = static_cast<std::size_t>(size.N) * sizeof(float);
  for (std::int64_t row = 0; row < size.M; ++row)
    EXPECT_EQ(std::memcmp(copy.data() + row * size.N, c.data + row * c.stride, bytes), 0)
        << "a packed B gives other bits";
}

// c = a b, or c + a b: a (M, K), b (K, N), c (M, N). What lies around a and b is NaN, what lies
// around c must stay.
template <class T>
at::Tensor gemm(const GemmBackend* backend, Form form, const at::Tensor& a, const at::Tensor& b,
                const at::Tensor& c, Into into, Triangle triangle = Triangle::kNone,
                std::int64_t first = 0) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kGuard = 12345;
  const Framed left(form == Form::kTn ? a.t() : a, kNan),
      right(form == Form::kNt ? b.t() : b, kNan);
  const Framed result(c, kGuard);
  multiply<T>(backend, form, {a.size(0), b.size(1), a.size(1), triangle, first},
              left.matrix<const T>(), right.matrix<const T>(), result.matrix<float>(), into);
  at::Tensor values = result.inside.clone();
  result.inside.fill_(kGuard);
  EXPECT_TRUE(result.whole.eq(kGuard).all().item<bool>()) << "wrote outside of c";
  return values;
}

template <class T>
at::Tensor random(std::int64_t rows, std::int64_t columns, at::Generator& source) {
  return at::randn({rows, columns}, source).to(kType<T>);
}

at::Tensor exact_gemm(const at::Tensor& a, const at::Tensor& b) {
  return at::matmul(a.to(at::kDouble), b.to(at::kDouble));
}

// The largest |c - exact| as a share of the sum of the sizes of its terms; NaN if c has one.
double error(const at::Tensor& c, const at::Tensor& exact, const at::Tensor& terms) {
  return ((c.to(at::kDouble) - exact).abs() / terms).max().item<double>();
}

// A term costs at most what it loses by being rounded twice (2^-24 each), or as the part of a
// product that three parts of each element leave away (3 * 2^-24), and its place in a sum.
constexpr double kTermRounding = 3e-7;

class GemmOn : public ::testing::TestWithParam<const GemmBackend*> {
 protected:
  const GemmBackend* backend = GetParam();

  template <class T>
  void expect_exact(GemmShape size, Form form) {
    at::Generator source = generator(7);
    const at::Tensor a = random<T>(size.M, size.K, source);
    const at::Tensor b = random<T>(size.K, size.N, source);
    const at::Tensor before = at::randn({size.M, size.N}, source);
    const at::Tensor garbage = at::full_like(before, std::numeric_limits<float>::quiet_NaN());
    const at::Tensor exact = exact_gemm(a, b), terms = exact_gemm(a.abs(), b.abs());
    const std::string what = "M " + std::to_string(size.M) + ", N " + std::to_string(size.N) +
                             ", K " + std::to_string(size.K) + ", form " +
                             std::to_string(static_cast<int>(form)) +
                             (kType<T> == at::kFloat ? ", float32" : ", bfloat16");
    const at::Tensor replaced = gemm<T>(backend, form, a, b, garbage, Into::kReplace);
    EXPECT_LE(error(replaced, exact, terms), kTermRounding) << what;
    const at::Tensor added = gemm<T>(backend, form, a, b, before, Into::kAdd);
    EXPECT_LE(error(added, before + exact, before.abs() + terms), kTermRounding) << what;
  }

  void expect_exact(GemmShape size) {
    for (const Form form : kForms) {
      expect_exact<float>(size, form);
      expect_exact<Bf16>(size, form);
    }
  }
};

TEST_P(GemmOn, SizesAroundTheEdgesOfTiles) {
  constexpr std::int64_t kEdges[] = {1, 5, 6, 7, 14, 15, 16, 17, 31, 32, 33, 65};
  constexpr int kCount = static_cast<int>(std::size(kEdges));
  for (int i = 0; i < kCount; ++i)
    for (int j = 0; j < kCount; ++j)
      expect_exact({kEdges[i], kEdges[j], kEdges[(3 * i + 5 * j) % kCount]});
}

TEST_P(GemmOn, SizesOfSeveralBlocks) {
  for (const GemmShape size :
       {GemmShape{33, 47, 50}, GemmShape{20, 40, 3072}, GemmShape{515, 70, 390},
        GemmShape{1536, 33, 768}, GemmShape{64, 530, 777}, GemmShape{1100, 20, 800},
        GemmShape{40, 2008, 400}})
    expect_exact(size);
}

// Column blocks (column_block.h) end where panels do, also where the last panels are of unusual
// widths. All that is checked here, by multiply, is whether the bits are those of a B that was
// packed before.
TEST_P(GemmOn, SeveralBlocksOfRowsAndOfColumns) {
  if (!backend) GTEST_SKIP() << "MKL has its native";
  at::Generator source = generator(7);
  for (const GemmShape size : {GemmShape{520, 2080, 20}, GemmShape{260, 1540, 270},
                               GemmShape{260, 1564, 20}, GemmShape{260, 3080, 20}}) {
    const at::Tensor a = at::randn({size.M, size.K}, source);
    const at::Tensor b = at::randn({size.K, size.N}, source);
    const at::Tensor c = at::randn({size.M, size.N}, source);
    gemm<float>(backend, Form::kTn, a, b, c, Into::kAdd);
    gemm<float>(backend, Form::kNt, a, b, c, Into::kReplace);
    gemm<Bf16>(backend, Form::kTn, a.to(at::kBFloat16), b.to(at::kBFloat16), c, Into::kAdd);
  }
}

// Measured for float32 by tiles: 0.4 (K 32), 0.6 (768), 1.2 (3072); for bfloat16 0.7 to 1.25.
constexpr double kOfMatmuls = 1.5;

// Root of the mean square.
double spread(const at::Tensor& x) {
  return std::sqrt(x.square().mean().item<double>());
}

// Against the float32 product of the same values.
template <class T>
void expect_as_exact_as_matmul(const GemmBackend* backend) {
  for (const std::int64_t inner : {32, 128, 768, 3072}) {
    at::Generator source = generator(11);
    const at::Tensor a = random<T>(96, inner, source), b = random<T>(inner, 64, source);
    const at::Tensor exact = exact_gemm(a, b);
    const double plain = spread(at::matmul(a.to(at::kFloat), b.to(at::kFloat)) - exact);
    for (const Form form : kForms) {
      const at::Tensor c = gemm<T>(backend, form, a, b, at::zeros({96, 64}), Into::kReplace);
      EXPECT_LE(spread(c - exact), kOfMatmuls * plain) << inner;
    }
  }
}

TEST_P(GemmOn, IsAsExactAsMatmul) {
  if (kEmulatedInstructions) GTEST_SKIP() << "LibTorch's matmul would run other instructions";
  expect_as_exact_as_matmul<float>(backend);
  expect_as_exact_as_matmul<Bf16>(backend);
}

TEST_P(GemmOn, VerySmallAndVeryLargeValues) {
  const auto check = [this]<class T>(T, double left, double right) {
    at::Generator source = generator(17);
    const at::Tensor a = (random<float>(37, 50, source) * left).to(kType<T>);
    const at::Tensor b = (random<float>(50, 41, source) * right).to(kType<T>);
    const at::Tensor exact = exact_gemm(a, b), terms = exact_gemm(a.abs(), b.abs());
    for (const Form form : kForms) {
      const at::Tensor c = gemm<T>(backend, form, a, b, at::zeros({37, 41}), Into::kReplace);
      EXPECT_LE(error(c, exact, terms), kTermRounding) << left << " * " << right;
    }
  };
  for (const auto& [left, right] :
       {std::pair{1e-30, 1.0}, {1e-30, 1e30}, {1e30, 1e-30}, {1e30, 1e6}, {1.0, 1e-30}}) {
    check(float{}, left, right);
    check(Bf16{}, left, right);
  }
}

// The rows of c for which a holds something special must show it, the others must not.
template <class T>
void expect_in_its_row_alone(const GemmBackend* backend, const at::Tensor& special, bool is_nan) {
  at::Generator source = generator(19);
  const at::Tensor a = random<T>(37, 50, source), b = random<T>(50, 41, source);
  const at::Tensor exact = exact_gemm(a, b), terms = exact_gemm(a.abs(), b.abs());
  for (const Form form : kForms)
    for (const std::int64_t k : {0, 21, 49}) {
      const at::Tensor left = a.clone(), right = b.clone();
      left[35][k] = special;
      right[k][40] = special;
      for (const bool in_a : {false, true}) {
        at::Tensor c = gemm<T>(backend, form, in_a ? left : a, in_a ? b : right,
                               at::zeros({37, 41}), Into::kReplace);
        at::Tensor line = in_a ? c[35] : c.select(1, 40);
        EXPECT_TRUE((is_nan ? line.isnan() : line.isfinite().logical_not()).all().item<bool>());
        line.copy_(in_a ? exact[35] : exact.select(1, 40));
        EXPECT_LE(error(c, exact, terms), kTermRounding);
      }
    }
}

TEST_P(GemmOn, NanReachesItsRowOrColumnAlone) {
  for (const std::int64_t bits : {0x7FC00000LL, 0x7FFFFFFFLL, 0x7F800001LL, -0x400000LL})
    expect_in_its_row_alone<float>(
        backend, at::scalar_tensor(bits, at::kLong).to(at::kInt).view(at::kFloat), true);
  for (const std::int64_t bits : {0x7FC0, 0x7FFF, 0x7F81, -0x40})
    expect_in_its_row_alone<Bf16>(
        backend, at::scalar_tensor(bits, at::kLong).to(at::kShort).view(at::kBFloat16), true);
}

// As infinity, or as NaN where a float32 is three bfloat16 (tile_pack.h): never as a number.
TEST_P(GemmOn, InfinityReachesItsRowOrColumnAlone) {
  for (const double sign : {1.0, -1.0}) {
    const at::Tensor infinity = at::scalar_tensor(sign * std::numeric_limits<double>::infinity());
    expect_in_its_row_alone<float>(backend, infinity.to(at::kFloat), false);
    expect_in_its_row_alone<Bf16>(backend, infinity.to(at::kBFloat16), false);
  }
}

TEST_P(GemmOn, ASumBeyondFloat32IsNoNumber) {
  const at::Tensor a = at::full({37, 50}, 1e30), b = at::full({50, 41}, 1e30);
  for (const Form form : kForms) {
    const at::Tensor c = gemm<float>(backend, form, a, b, at::zeros({37, 41}), Into::kReplace);
    EXPECT_FALSE(c.isfinite().any().item<bool>());
  }
}

// A B that is packed whole, for GEMMs with a part of it, packed and not.
template <class T>
struct PartOfPacked {
  static constexpr std::int64_t kM = 37, kN = 150, kK = 800;

  PartOfPacked(const GemmBackend* backend, bool has_k_contiguous)
      : native(backend->of<T>()),
        k_contiguous(has_k_contiguous),
        packed(native.packed_bytes(kN, kK)) {
    at::Generator source = generator(29);
    a = random<T>(kM, kK, source);
    b = k_contiguous ? random<T>(kN, kK, source) : random<T>(kK, kN, source);
    native.pack_b(right(), 0, kN, kN, kK, packed.data());
  }

  GemmOperand<T> right() const {
    return {static_cast<const T*>(b.const_data_ptr()), k_contiguous ? kK : kN, k_contiguous};
  }
  at::Tensor with(GemmShape size, PackedB factor) const {
    const at::Tensor c = at::zeros({size.M, size.N});
    const Guarded workspace(native.workspace_bytes(size));
    const at::Tensor left = size.triangle == Triangle::kLowerA ? a.tril(size.first) : a;
    native.multiply(size, {static_cast<const T*>(left.const_data_ptr()), kK, true}, right(), factor,
                    {c.mutable_data_ptr<float>(), size.N}, Into::kReplace, workspace.data());
    return size.triangle == Triangle::kLowerC ? c.tril(size.first) : c;
  }
  void expect_same(GemmShape size) const {
    EXPECT_TRUE(at::equal(with(size, {}), with(size, {packed.data(), kK})))
        << size.N << " columns, inner " << size.K;
  }

  const NativeGemm<T>& native;
  const bool k_contiguous;
  const Guarded packed;
  at::Tensor a, b;
};

template <class T>
void expect_parts_of_packed_to_serve(const GemmBackend* backend, bool k_contiguous) {
  const PartOfPacked<T> part(backend, k_contiguous);
  constexpr std::int64_t kM = part.kM, kN = part.kN, kK = part.kK;
  const std::int64_t panel = part.native.panel_columns;
  for (const std::int64_t columns : {panel, 2 * panel, kN})
    for (const std::int64_t inner : {std::int64_t{91}, std::int64_t{672}, kK}) {
      part.expect_same({kM, columns, inner});
      part.expect_same({kM, columns, inner, Triangle::kLowerC, columns - kM / 2});
      part.expect_same({kM, columns, inner, Triangle::kLowerA, inner - kM});
    }
}

TEST_P(GemmOn, PartsOfAPackedBServe) {
  if (!backend) GTEST_SKIP() << "MKL packs no B to keep";
  for (const bool k_contiguous : {true, false}) {
    expect_parts_of_packed_to_serve<float>(backend, k_contiguous);
    expect_parts_of_packed_to_serve<Bf16>(backend, k_contiguous);
  }
}

// A lower triangular matrix whose first row is row `first` of it, in a product with any other.
template <class T>
void expect_triangle(const GemmBackend* backend, GemmShape size, Into into) {
  at::Generator source = generator(31);
  at::Tensor a = random<T>(size.M, size.K, source);
  const at::Tensor b = random<T>(size.K, size.N, source);
  const at::Tensor before = at::randn({size.M, size.N}, source);
  if (size.triangle == Triangle::kLowerA) a = a.tril(size.first);
  if (size.triangle == Triangle::kLowerAT) a = a.triu(-size.first);
  const bool adds = into == Into::kAdd;
  at::Tensor exact = exact_gemm(a, b), terms = exact_gemm(a.abs(), b.abs()) + 1e-30;
  if (adds) exact = exact + before, terms = terms + before.abs();
  for (const Form form : kForms) {
    at::Tensor c = gemm<T>(backend, form, a, b, before, into, size.triangle, size.first);
    if (size.triangle == Triangle::kLowerC)
      c = at::where(at::ones_like(c).tril(size.first).eq(1), c.to(at::kDouble), exact);
    EXPECT_LE(error(c, exact, terms), kTermRounding)
        << size.M << " " << size.N << " " << size.K << " first " << size.first << " triangle "
        << static_cast<int>(size.triangle) << " form " << static_cast<int>(form);
  }
}

TEST_P(GemmOn, TrianglesCostNoTruth) {
  for (const Into into : {Into::kReplace, Into::kAdd})
    for (const std::int64_t first : {0, 7, 64, 401})
      for (const std::int64_t rows : {5, 64, 90})
        for (const GemmShape size :
             {GemmShape{rows, first + rows, 32, Triangle::kLowerC, first},
              GemmShape{rows, 33, first + rows, Triangle::kLowerA, first},
              GemmShape{first + rows, 40, rows, Triangle::kLowerAT, first}}) {
          expect_triangle<float>(backend, size, into);
          expect_triangle<Bf16>(backend, size, into);
        }
}

// Of more M and K than a block has.
TEST_P(GemmOn, LargeTriangles) {
  for (const Into into : {Into::kReplace, Into::kAdd})
    for (const Triangle triangle : {Triangle::kLowerA, Triangle::kLowerAT}) {
      expect_triangle<float>(backend, {600, 40, 600, triangle, 0}, into);
      expect_triangle<Bf16>(backend, {600, 40, 800, triangle, 0}, into);
    }
}

// None where nothing can be emulated.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GemmOn);
INSTANTIATE_TEST_SUITE_P(Ways, GemmOn, ::testing::ValuesIn(gemm_ways()), [](const auto& test) {
  return std::string(test.param ? test.param->name : "mkl");
});

// The native backend computes, where it is faster, on a thread that has a workspace.
template <class T>
void expect_native_where_it_is_faster(GemmShape size) {
  at::Generator source = generator(23);
  const at::Tensor a = random<T>(size.M, size.K, source);
  const at::Tensor b = random<T>(size.K, size.N, source);
  const at::Tensor zero = at::zeros({size.M, size.N});
  const GemmBackend* backend = gemm_backend();
  const NativeGemm<T>* native = native_gemm<T>();
  const at::Tensor memory = at::empty({native ? native->workspace_bytes(size) : 1}, at::kByte);
  const bool is_faster = native && native->is_faster(size);
  for (const Form form : kForms) {
    const auto with = [&](const GemmBackend* way) {
      return gemm<T>(way, form, a, b, zero, Into::kReplace);
    };
    const at::Tensor mkls = with(nullptr), expected = is_faster ? with(backend) : mkls;
    const GemmWorkspace workspace(memory.mutable_data_ptr());
    EXPECT_TRUE(at::equal(with(nullptr), expected)) << size.M;
  }
}

TEST(Gemm, TakesTheNativeBackendWhereItIsFaster) {
  for (const GemmShape size :
       {GemmShape{128, 384, 128}, GemmShape{3, 4, 5}, GemmShape{64, 64, 32}}) {
    expect_native_where_it_is_faster<float>(size);
    expect_native_where_it_is_faster<Bf16>(size);
  }
}

}  // namespace
}  // namespace gpt
