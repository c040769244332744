// Every way to compute a product, MKL's and each of our own that this CPU can run, against ATen in
// float64.
#include "gpt/kernels/gemm/gemm.h"

#include <cstring>

#include <gtest/gtest.h>

#include "gpt/kernels/gemm/gemm_backend.h"

#include "support/instruction_sets.h"
#include "support/tensor_near.h"

namespace gpt {
namespace {

using testing::generator;
using testing::kEmulatedInstructions;
using testing::product_ways;

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

// By one of our sets also with a packed right factor.
template <class T>
void multiply(const ProductSet* set, Form form, Extent size, Matrix<const T> a, Matrix<const T> b,
              MutF32 c, Into into) {
  if (!set) {  // this thread has no ProductSpace
    if (form == Form::kNt) return product_nt(size, a, b, c, into);
    if (form == Form::kNn) return product_nn(size, a, b, c, into);
    return product_tn(size, a, b, c, into);
  }
  const PackedProducts<T>& products = set->of<T>();
  const ProductSide<T> left{a.data, a.stride, form != Form::kTn};
  const ProductSide<T> right{b.data, b.stride, form == Form::kNt};
  const Guarded workspace(products.workspace_bytes(size));
  const Guarded packed(products.packed_bytes(size.columns, size.inner));
  // In two pieces, as two threads would.
  const std::int64_t middle = std::min(size.columns, products.panel_columns);
  products.pack_b(right, middle, size.columns, size.columns, size.inner, packed.data());
  products.pack_b(right, 0, middle, size.columns, size.inner, packed.data());
  std::vector<float> copy;
  for (std::int64_t row = 0; row < size.rows; ++row)
    copy.insert(copy.end(), c.data + row * c.stride, c.data + row * c.stride + size.columns);
  products.multiply(size, left, right, {packed.data()}, {copy.data(), size.columns}, into,
                    workspace.data());
  products.multiply(size, left, right, {}, c, into, workspace.data());
  const auto bytes = static_cast<std::size_t>(size.columns) * sizeof(float);
  for (std::int64_t row = 0; row < size.rows; ++row)
    EXPECT_EQ(std::memcmp(copy.data() + row * size.columns, c.data + row * c.stride, bytes), 0)
        << "a packed factor gives other bits";
}

// c = a b, or c + a b: a (rows, inner), b (inner, columns), c (rows, columns). What lies around the
// factors is NaN, what lies around the result must stay.
template <class T>
at::Tensor product(const ProductSet* set, Form form, const at::Tensor& a, const at::Tensor& b,
                   const at::Tensor& c, Into into, Triangle triangle = Triangle::kNone,
                   std::int64_t first = 0) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kGuard = 12345;
  const Framed left(form == Form::kTn ? a.t() : a, kNan),
      right(form == Form::kNt ? b.t() : b, kNan);
  const Framed result(c, kGuard);
  multiply<T>(set, form, {a.size(0), b.size(1), a.size(1), triangle, first}, left.matrix<const T>(),
              right.matrix<const T>(), result.matrix<float>(), into);
  at::Tensor values = result.inside.clone();
  result.inside.fill_(kGuard);
  EXPECT_TRUE(result.whole.eq(kGuard).all().item<bool>()) << "wrote beside the result";
  return values;
}

template <class T>
at::Tensor random(std::int64_t rows, std::int64_t columns, at::Generator& source) {
  return at::randn({rows, columns}, source).to(kType<T>);
}

at::Tensor exact_product(const at::Tensor& a, const at::Tensor& b) {
  return at::matmul(a.to(at::kDouble), b.to(at::kDouble));
}

// The largest |c - exact| as a share of the sum of the sizes of its terms; NaN if c has one.
double error(const at::Tensor& c, const at::Tensor& exact, const at::Tensor& terms) {
  return ((c.to(at::kDouble) - exact).abs() / terms).max().item<double>();
}

// A term costs at most what it loses by being rounded twice (2^-24 each), or as the part of a
// product that three parts of each factor leave away (3 * 2^-24), and its place in a sum.
constexpr double kTermRounding = 3e-7;

class ProductOn : public ::testing::TestWithParam<const ProductSet*> {
 protected:
  const ProductSet* set = GetParam();

  template <class T>
  void expect_exact(Extent size, Form form) {
    at::Generator source = generator(7);
    const at::Tensor a = random<T>(size.rows, size.inner, source);
    const at::Tensor b = random<T>(size.inner, size.columns, source);
    const at::Tensor before = at::randn({size.rows, size.columns}, source);
    const at::Tensor garbage = at::full_like(before, std::numeric_limits<float>::quiet_NaN());
    const at::Tensor exact = exact_product(a, b), terms = exact_product(a.abs(), b.abs());
    const std::string what = "rows " + std::to_string(size.rows) + ", columns " +
                             std::to_string(size.columns) + ", inner " +
                             std::to_string(size.inner) + ", form " +
                             std::to_string(static_cast<int>(form)) +
                             (kType<T> == at::kFloat ? ", float32" : ", bfloat16");
    const at::Tensor replaced = product<T>(set, form, a, b, garbage, Into::kReplace);
    EXPECT_LE(error(replaced, exact, terms), kTermRounding) << what;
    const at::Tensor added = product<T>(set, form, a, b, before, Into::kAdd);
    EXPECT_LE(error(added, before + exact, before.abs() + terms), kTermRounding) << what;
  }

  void expect_exact(Extent size) {
    for (const Form form : kForms) {
      expect_exact<float>(size, form);
      expect_exact<Bf16>(size, form);
    }
  }
};

TEST_P(ProductOn, SizesAroundTheEdgesOfTiles) {
  constexpr std::int64_t kEdges[] = {1, 5, 6, 7, 14, 15, 16, 17, 31, 32, 33, 65};
  constexpr int kCount = static_cast<int>(std::size(kEdges));
  for (int i = 0; i < kCount; ++i)
    for (int j = 0; j < kCount; ++j)
      expect_exact({kEdges[i], kEdges[j], kEdges[(3 * i + 5 * j) % kCount]});
}

TEST_P(ProductOn, SizesOfSeveralBlocks) {
  for (const Extent size :
       {Extent{33, 47, 50}, Extent{20, 40, 3072}, Extent{515, 70, 390}, Extent{1536, 33, 768},
        Extent{64, 530, 777}, Extent{1100, 20, 800}, Extent{40, 2008, 400}})
    expect_exact(size);
}

// Strips (column_block.h) end where panels do, also where the last panels are of unusual widths.
// Whether the bits are those of a factor that was packed before is all that is asked here, by
// multiply.
TEST_P(ProductOn, SeveralBlocksOfRowsAndStripsOfColumns) {
  if (!set) GTEST_SKIP() << "MKL has its own";
  at::Generator source = generator(7);
  for (const Extent size : {Extent{520, 2080, 20}, Extent{260, 1540, 270}, Extent{260, 1564, 20},
                            Extent{260, 3080, 20}}) {
    const at::Tensor a = at::randn({size.rows, size.inner}, source);
    const at::Tensor b = at::randn({size.inner, size.columns}, source);
    const at::Tensor c = at::randn({size.rows, size.columns}, source);
    product<float>(set, Form::kTn, a, b, c, Into::kAdd);
    product<float>(set, Form::kNt, a, b, c, Into::kReplace);
    product<Bf16>(set, Form::kTn, a.to(at::kBFloat16), b.to(at::kBFloat16), c, Into::kAdd);
  }
}

// Measured for float32 by tiles: 0.4 (inner 32), 0.6 (768), 1.2 (3072); for bfloat16 0.7 to 1.25.
constexpr double kOfMatmuls = 1.5;

// Root of the mean square.
double spread(const at::Tensor& x) {
  return std::sqrt(x.square().mean().item<double>());
}

// Against the float32 product of the same values.
template <class T>
void expect_as_exact_as_matmul(const ProductSet* set) {
  for (const std::int64_t inner : {32, 128, 768, 3072}) {
    at::Generator source = generator(11);
    const at::Tensor a = random<T>(96, inner, source), b = random<T>(inner, 64, source);
    const at::Tensor exact = exact_product(a, b);
    const double plain = spread(at::matmul(a.to(at::kFloat), b.to(at::kFloat)) - exact);
    for (const Form form : kForms) {
      const at::Tensor c = product<T>(set, form, a, b, at::zeros({96, 64}), Into::kReplace);
      EXPECT_LE(spread(c - exact), kOfMatmuls * plain) << inner;
    }
  }
}

TEST_P(ProductOn, IsAsExactAsMatmul) {
  if (kEmulatedInstructions) GTEST_SKIP() << "LibTorch's matmul would run other instructions";
  expect_as_exact_as_matmul<float>(set);
  expect_as_exact_as_matmul<Bf16>(set);
}

TEST_P(ProductOn, VerySmallAndVeryLargeValues) {
  const auto check = [this]<class T>(T, double left, double right) {
    at::Generator source = generator(17);
    const at::Tensor a = (random<float>(37, 50, source) * left).to(kType<T>);
    const at::Tensor b = (random<float>(50, 41, source) * right).to(kType<T>);
    const at::Tensor exact = exact_product(a, b), terms = exact_product(a.abs(), b.abs());
    for (const Form form : kForms) {
      const at::Tensor c = product<T>(set, form, a, b, at::zeros({37, 41}), Into::kReplace);
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
void expect_in_its_row_alone(const ProductSet* set, const at::Tensor& special, bool is_nan) {
  at::Generator source = generator(19);
  const at::Tensor a = random<T>(37, 50, source), b = random<T>(50, 41, source);
  const at::Tensor exact = exact_product(a, b), terms = exact_product(a.abs(), b.abs());
  for (const Form form : kForms)
    for (const std::int64_t k : {0, 21, 49}) {
      const at::Tensor left = a.clone(), right = b.clone();
      left[35][k] = special;
      right[k][40] = special;
      for (const bool in_a : {false, true}) {
        at::Tensor c = product<T>(set, form, in_a ? left : a, in_a ? b : right, at::zeros({37, 41}),
                                  Into::kReplace);
        at::Tensor line = in_a ? c[35] : c.select(1, 40);
        EXPECT_TRUE((is_nan ? line.isnan() : line.isfinite().logical_not()).all().item<bool>());
        line.copy_(in_a ? exact[35] : exact.select(1, 40));
        EXPECT_LE(error(c, exact, terms), kTermRounding);
      }
    }
}

TEST_P(ProductOn, NanReachesItsRowOrColumnAlone) {
  for (const std::int64_t bits : {0x7FC00000LL, 0x7FFFFFFFLL, 0x7F800001LL, -0x400000LL})
    expect_in_its_row_alone<float>(
        set, at::scalar_tensor(bits, at::kLong).to(at::kInt).view(at::kFloat), true);
  for (const std::int64_t bits : {0x7FC0, 0x7FFF, 0x7F81, -0x40})
    expect_in_its_row_alone<Bf16>(
        set, at::scalar_tensor(bits, at::kLong).to(at::kShort).view(at::kBFloat16), true);
}

// As infinity, or as NaN where a float32 is three bfloat16 (tile_pack.h): never as a number.
TEST_P(ProductOn, InfinityReachesItsRowOrColumnAlone) {
  for (const double sign : {1.0, -1.0}) {
    const at::Tensor infinity = at::scalar_tensor(sign * std::numeric_limits<double>::infinity());
    expect_in_its_row_alone<float>(set, infinity.to(at::kFloat), false);
    expect_in_its_row_alone<Bf16>(set, infinity.to(at::kBFloat16), false);
  }
}

TEST_P(ProductOn, ASumBeyondFloat32IsNoNumber) {
  const at::Tensor a = at::full({37, 50}, 1e30), b = at::full({50, 41}, 1e30);
  for (const Form form : kForms) {
    const at::Tensor c = product<float>(set, form, a, b, at::zeros({37, 41}), Into::kReplace);
    EXPECT_FALSE(c.isfinite().any().item<bool>());
  }
}

// Both ways with a right factor, of which `packed` was made whole, for a product with a part of it.
template <class T>
struct PartOfPacked {
  static constexpr std::int64_t kRows = 37, kColumns = 150, kInner = 800;

  PartOfPacked(const ProductSet* set, bool runs_along)
      : products(set->of<T>()), along(runs_along), packed(products.packed_bytes(kColumns, kInner)) {
    at::Generator source = generator(29);
    a = random<T>(kRows, kInner, source);
    b = along ? random<T>(kColumns, kInner, source) : random<T>(kInner, kColumns, source);
    products.pack_b(right(), 0, kColumns, kColumns, kInner, packed.data());
  }

  ProductSide<T> right() const {
    return {static_cast<const T*>(b.const_data_ptr()), along ? kInner : kColumns, along};
  }
  at::Tensor with(Extent size, Packed factor) const {
    const at::Tensor c = at::zeros({size.rows, size.columns});
    const Guarded workspace(products.workspace_bytes(size));
    const at::Tensor left = size.triangle == Triangle::kLeft ? a.tril(size.first) : a;
    products.multiply(size, {static_cast<const T*>(left.const_data_ptr()), kInner, true}, right(),
                      factor, {c.mutable_data_ptr<float>(), size.columns}, Into::kReplace,
                      workspace.data());
    return size.triangle == Triangle::kResult ? c.tril(size.first) : c;
  }
  void expect_same(Extent size) const {
    EXPECT_TRUE(at::equal(with(size, {}), with(size, {packed.data(), kInner})))
        << size.columns << " columns, inner " << size.inner;
  }

  const PackedProducts<T>& products;
  const bool along;
  const Guarded packed;
  at::Tensor a, b;
};

template <class T>
void expect_parts_of_packed_to_serve(const ProductSet* set, bool along) {
  const PartOfPacked<T> part(set, along);
  constexpr std::int64_t kRows = part.kRows, kColumns = part.kColumns, kInner = part.kInner;
  const std::int64_t panel = part.products.panel_columns;
  for (const std::int64_t columns : {panel, 2 * panel, kColumns})
    for (const std::int64_t inner : {std::int64_t{91}, std::int64_t{672}, kInner}) {
      part.expect_same({kRows, columns, inner});
      part.expect_same({kRows, columns, inner, Triangle::kResult, columns - kRows / 2});
      part.expect_same({kRows, columns, inner, Triangle::kLeft, inner - kRows});
    }
}

TEST_P(ProductOn, PartsOfAPackedFactorServe) {
  if (!set) GTEST_SKIP() << "MKL's products have no packed factors";
  for (const bool along : {true, false}) {
    expect_parts_of_packed_to_serve<float>(set, along);
    expect_parts_of_packed_to_serve<Bf16>(set, along);
  }
}

// A lower triangular matrix whose first row is row `first` of it, in a product with any other.
template <class T>
void expect_triangle(const ProductSet* set, Extent size, Into into) {
  at::Generator source = generator(31);
  at::Tensor a = random<T>(size.rows, size.inner, source);
  const at::Tensor b = random<T>(size.inner, size.columns, source);
  const at::Tensor before = at::randn({size.rows, size.columns}, source);
  if (size.triangle == Triangle::kLeft) a = a.tril(size.first);
  if (size.triangle == Triangle::kLeftTransposed) a = a.triu(-size.first);
  const bool adds = into == Into::kAdd;
  at::Tensor exact = exact_product(a, b), terms = exact_product(a.abs(), b.abs()) + 1e-30;
  if (adds) exact = exact + before, terms = terms + before.abs();
  for (const Form form : kForms) {
    at::Tensor c = product<T>(set, form, a, b, before, into, size.triangle, size.first);
    if (size.triangle == Triangle::kResult)
      c = at::where(at::ones_like(c).tril(size.first).eq(1), c.to(at::kDouble), exact);
    EXPECT_LE(error(c, exact, terms), kTermRounding)
        << size.rows << " " << size.columns << " " << size.inner << " first " << size.first
        << " triangle " << static_cast<int>(size.triangle) << " form " << static_cast<int>(form);
  }
}

TEST_P(ProductOn, TrianglesCostNoTruth) {
  for (const Into into : {Into::kReplace, Into::kAdd})
    for (const std::int64_t first : {0, 7, 64, 401})
      for (const std::int64_t rows : {5, 64, 90})
        for (const Extent size :
             {Extent{rows, first + rows, 32, Triangle::kResult, first},
              Extent{rows, 33, first + rows, Triangle::kLeft, first},
              Extent{first + rows, 40, rows, Triangle::kLeftTransposed, first}}) {
          expect_triangle<float>(set, size, into);
          expect_triangle<Bf16>(set, size, into);
        }
}

// Of more rows and inner indices than a block has.
TEST_P(ProductOn, LargeTriangles) {
  for (const Into into : {Into::kReplace, Into::kAdd})
    for (const Triangle triangle : {Triangle::kLeft, Triangle::kLeftTransposed}) {
      expect_triangle<float>(set, {600, 40, 600, triangle, 0}, into);
      expect_triangle<Bf16>(set, {600, 40, 800, triangle, 0}, into);
    }
}

// None where nothing can be emulated.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ProductOn);
INSTANTIATE_TEST_SUITE_P(Ways, ProductOn, ::testing::ValuesIn(product_ways()),
                         [](const auto& test) {
                           return std::string(test.param ? test.param->name : "mkl");
                         });

// Ours, where they pay, on a thread that has memory for them.
template <class T>
void expect_ours_where_they_pay(Extent size) {
  at::Generator source = generator(23);
  const at::Tensor a = random<T>(size.rows, size.inner, source);
  const at::Tensor b = random<T>(size.inner, size.columns, source);
  const at::Tensor zero = at::zeros({size.rows, size.columns});
  const ProductSet* set = product_set();
  const PackedProducts<T>* own = own_products<T>();
  const at::Tensor memory = at::empty({own ? own->workspace_bytes(size) : 1}, at::kByte);
  const bool pays = own && own->pays(size);
  for (const Form form : kForms) {
    const auto with = [&](const ProductSet* way) {
      return product<T>(way, form, a, b, zero, Into::kReplace);
    };
    const at::Tensor mkls = with(nullptr), expected = pays ? with(set) : mkls;
    const ProductSpace space(memory.mutable_data_ptr());
    EXPECT_TRUE(at::equal(with(nullptr), expected)) << size.rows;
  }
}

TEST(Product, TakesOurOwnWhereTheyPay) {
  for (const Extent size : {Extent{128, 384, 128}, Extent{3, 4, 5}, Extent{64, 64, 32}}) {
    expect_ours_where_they_pay<float>(size);
    expect_ours_where_they_pay<Bf16>(size);
  }
}

}  // namespace
}  // namespace gpt
