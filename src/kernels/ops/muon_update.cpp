#include "gpt/kernels/ops/muon_update.h"

#include <cmath>
#include <numeric>
#include <utility>

#include <ATen/ATen.h>

#include "gpt/device/device.h"
#include "gpt/kernels/cpu/muon_update.h"
#include "gpt/kernels/device_choices.h"

namespace gpt {

namespace {

// Elements of the matrices that are iterated together: enough for a GPU to be busy, and little next
// to what it holds.
constexpr std::int64_t kBatchElements = std::int64_t{8} << 20;

// Of matrices of one shape.
std::int64_t most_together(MatrixShape shape) {
  return std::max<std::int64_t>(1, kBatchElements / shape.elements());
}

// The largest batch: elements of its matrices, and of their squares over the small side.
struct Largest {
  std::int64_t matrices = 0, elements = 0, squares = 0;
};

Largest largest_batch(const std::vector<MatrixShape>& shapes) {
  Largest largest;
  for (const MatrixShape& shape : shapes) {
    const auto alike = static_cast<std::int64_t>(std::count(shapes.begin(), shapes.end(), shape));
    const std::int64_t together = std::min(alike, most_together(shape));
    largest.matrices = std::max(largest.matrices, together);
    largest.elements = std::max(largest.elements, together * shape.elements());
    largest.squares = std::max(largest.squares, together * shape.small() * shape.small());
  }
  return largest;
}

class TensorMuonUpdate : public MuonUpdate {
 public:
  TensorMuonUpdate(const std::vector<MatrixShape>& shapes, const c10::Device& device,
                   c10::ScalarType type)
      : size_(largest_batch(shapes)) {
    const auto floats = at::TensorOptions().device(device).dtype(at::kFloat);
    scratch_ = at::empty({tensor_muon_elements(shapes)}, floats.dtype(type));
    norms_ = at::empty({size_.matrices}, floats);
    one_ = at::ones({}, floats);
    for (at::Tensor* scalar : {&counts_, &keep_, &momentum_, &rest_})
      *scalar = at::zeros({}, floats);
    skipped_ = at::zeros({}, floats.dtype(at::kBool));
  }

  void run(const std::vector<MuonMatrix>& matrices, const MuonRates& rates,
           const at::Tensor& factor, const at::Tensor& skip) override {
    if (matrices.empty()) return;
    set_scalars(rates, matrices.front().step, skip);
    for (auto first = matrices.begin(); first != matrices.end();) {
      const MatrixShape shape = first->shape();
      auto last = first;
      while (last != matrices.end() && last->shape() == shape &&
             last - first < most_together(shape))
        ++last;
      run_batch({first, last}, shape, rates, factor);
      first = last;
    }
  }

 private:
  // What depends on `skip` and `step` stays on the device.
  void set_scalars(const MuonRates& rates, const at::Tensor& step, const at::Tensor& skip) {
    at::sub_out(counts_, one_, skip);
    at::ne_out(skipped_, skip, 0);
    keep_.copy_(counts_).mul_(-rates.learning_rate * rates.weight_decay).add_(1);
    if (rates.momentum_warmup > 0) {
      const auto warmup = static_cast<double>(rates.momentum_warmup);
      momentum_.copy_(step).sub_(1).clamp_max_(warmup);
      momentum_.mul_((rates.momentum - kFirstMuonMomentum) / warmup).add_(kFirstMuonMomentum);
    } else {
      momentum_.fill_(rates.momentum);
    }
    at::sub_out(rest_, one_, momentum_);
  }

  void run_batch(const std::vector<MuonMatrix>& batch, MatrixShape shape, const MuonRates& rates,
                 const at::Tensor& factor) {
    const bool turned = shape.rows > shape.columns;
    const auto count = static_cast<std::int64_t>(batch.size());
    const auto matrices = [&](std::int64_t at, std::int64_t rows, std::int64_t columns) {
      return scratch_.narrow(0, at, count * rows * columns).view({count, rows, columns});
    };
    const std::int64_t m = shape.small(), n = shape.large();
    at::Tensor x = matrices(0, m, n), next = matrices(size_.elements, m, n);
    const at::Tensor gram = matrices(2 * size_.elements, m, m),
                     polynomial = matrices(2 * size_.elements + size_.squares, m, m);
    for (std::int64_t i = 0; i < count; ++i) {
      const MuonMatrix& matrix = batch[static_cast<std::size_t>(i)];
      const at::Tensor& u = matrix.gradient;
      if (factor.defined()) u.mul_(factor);
      at::Tensor out = u;
      at::where_out(out, skipped_, matrix.momentum, u);  // then the momentum stays as it is
      matrix.momentum.lerp_(u, rest_);
      u.lerp_(matrix.momentum, momentum_);
      x[i].copy_(turned ? u.t() : u);
    }
    at::Tensor norms = norms_.narrow(0, 0, count).view({count, 1, 1});
    at::linalg_vector_norm_out(norms, x, 2, {1, 2}, /*keepdim=*/true, at::kFloat);
    x.div_(norms.clamp_min_(NewtonSchulz::kEpsilon));
    for (int i = 0; i < NewtonSchulz::kSteps; ++i) {
      iterate(x, gram, polynomial, next);
      std::swap(x, next);
    }
    for (std::int64_t i = 0; i < count; ++i) {
      const MuonMatrix& matrix = batch[static_cast<std::size_t>(i)];
      matrix.gradient.copy_(turned ? x[i].t() : x[i]);
      matrix.parameter.mul_(keep_);
      matrix.parameter.addcmul_(matrix.gradient, counts_,
                                -rates.learning_rate * rates.scale(shape));
    }
  }

  static void iterate(const at::Tensor& x, at::Tensor gram, at::Tensor polynomial,
                      at::Tensor& next) {
    at::bmm_out(gram, x, x.transpose(1, 2));
    at::baddbmm_out(polynomial, gram, gram, gram, NewtonSchulz::b, NewtonSchulz::c);
    at::baddbmm_out(next, x, polynomial, x, NewtonSchulz::a, 1);
  }

  Largest size_;
  at::Tensor scratch_, norms_;
  at::Tensor one_, counts_, keep_, momentum_, rest_, skipped_;
};

}  // namespace

double MatrixShape::flops() const {
  const auto m = static_cast<double>(small()), n = static_cast<double>(large());
  return NewtonSchulz::kSteps * (4 * m * m * n + 2 * m * m * m);
}

double MuonRates::momentum_at(double step) const {
  if (momentum_warmup == 0) return momentum;
  const auto warmup = static_cast<double>(momentum_warmup);
  return kFirstMuonMomentum + (momentum - kFirstMuonMomentum) * std::min(step - 1, warmup) / warmup;
}

double MuonRates::scale(MatrixShape shape) const {
  const auto rows = static_cast<double>(shape.rows), columns = static_cast<double>(shape.columns);
  return match_rms ? 0.2 * std::sqrt(std::max(rows, columns))
                   : std::sqrt(std::max(1.0, rows / columns));
}

at::Tensor plain_newton_schulz(const at::Tensor& u, c10::ScalarType type) {
  const bool turned = u.size(0) > u.size(1);
  at::Tensor x = (turned ? u.t() : u).to(type);
  x = x / x.norm().clamp_min(NewtonSchulz::kEpsilon);
  for (int i = 0; i < NewtonSchulz::kSteps; ++i) {
    const at::Tensor gram = at::mm(x, x.t());
    const at::Tensor polynomial = at::addmm(gram, gram, gram, NewtonSchulz::b, NewtonSchulz::c);
    x = at::addmm(x, polynomial, x, NewtonSchulz::a, 1);
  }
  return turned ? x.t() : x;
}

std::int64_t tensor_muon_elements(const std::vector<MatrixShape>& shapes) {
  const Largest largest = largest_batch(shapes);
  return 2 * (largest.elements + largest.squares);
}

std::unique_ptr<MuonUpdate> tensor_muon_update(const std::vector<MatrixShape>& shapes,
                                               const c10::Device& device, c10::ScalarType type) {
  return std::make_unique<TensorMuonUpdate>(shapes, device, type);
}

std::vector<int> dealt_by_cost(const std::vector<double>& costs, int workers) {
  std::vector<std::size_t> order(costs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t i, std::size_t j) { return costs[i] > costs[j]; });
  std::vector<int> taken_by(costs.size());
  std::vector<double> load(static_cast<std::size_t>(workers));
  for (const std::size_t i : order) {
    const auto least = std::min_element(load.begin(), load.end());
    taken_by[i] = static_cast<int>(least - load.begin());
    *least += costs[i];
  }
  return taken_by;
}

c10::ScalarType muon_type(const c10::Device& device, c10::ScalarType type) {
  if (device.is_cpu()) return cpu_muon_in_bf16(type) ? at::kBFloat16 : at::kFloat;
  // Without products of bfloat16 a card would play them in float32.
  const bool bf16 = compute_capability(device) >= 80 && own_kernels_allowed();
  return bf16 ? at::kBFloat16 : at::kFloat;
}

std::unique_ptr<MuonUpdate> make_muon_update(const std::vector<MatrixShape>& shapes,
                                             const c10::Device& device, c10::ScalarType type) {
  if (device.is_cpu()) return cpu_muon_update(shapes, type);
  return tensor_muon_update(shapes, device, muon_type(device, type));
}

}  // namespace gpt
