#include "gpt/kernels/cpu/parameter_update.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "gpt/device/thread_pool.h"
#include "gpt/kernels/cpu/row_kernels.h"

namespace gpt {

namespace {

// Elements [first, first + count) of a tensor. Sums of pieces do not depend on the threads.
struct Piece {
  std::size_t tensor;
  std::int64_t first, count;
};

// A quarter of the second cache for the four arrays of a piece.
constexpr std::int64_t kCpuPieceElements = 1 << 13;

void require_plain(const at::Tensor& tensor) {
  TORCH_CHECK(tensor.is_contiguous() && tensor.scalar_type() == at::kFloat,
              "contiguous float32 tensors are needed");
}

// Appends the pieces of a tensor of `size` elements.
void cut(std::size_t tensor, std::int64_t size, std::vector<Piece>& pieces) {
  for (std::int64_t first = 0; first < size; first += kCpuPieceElements)
    pieces.push_back({tensor, first, std::min(kCpuPieceElements, size - first)});
}

// Calls work(i) for every piece, on some thread of the pool.
template <class Work>
void for_each_piece(const std::vector<Piece>& pieces, const Work& work) {
  std::int64_t all = 0;
  for (const Piece& piece : pieces) all += piece.count;
  ThreadPool& workers = thread_pool();
  workers.run([&](int rank) {
    std::int64_t before = 0;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      if (before * workers.size() / all == rank) work(i);
      before += pieces[i].count;
    }
  });
}

}  // namespace

at::Tensor cpu_gradient_norm(const std::vector<at::Tensor>& gradients) {
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    require_plain(gradients[i]);
    cut(i, gradients[i].numel(), pieces);
  }
  std::vector<double> squares(pieces.size());
  for_each_piece(pieces, [&](std::size_t i) {
    const auto& [tensor, first, count] = pieces[i];
    squares[i] =
        row_kernels().sum_of_squares(gradients[tensor].const_data_ptr<float>() + first, count);
  });
  double sum = 0;
  for (const double square : squares) sum += square;
  return at::full({}, std::sqrt(sum), at::kFloat);
}

void cpu_adamw(const std::vector<UpdatedParameter>& parameters, const UpdateRates& rates,
               const at::Tensor& factor, const at::Tensor& skip) {
  if (*skip.const_data_ptr<float>() != 0) return;
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const UpdatedParameter& p = parameters[i];
    for (const at::Tensor* tensor : {&p.parameter, &p.gradient, &p.exp_avg, &p.exp_avg_sq})
      require_plain(*tensor);
    cut(i, p.parameter.numel(), pieces);
  }
  const float scale = factor.defined() ? *factor.const_data_ptr<float>() : 1.0f;
  for_each_piece(pieces, [&](std::size_t i) {
    const auto& [tensor, first, count] = pieces[i];
    const UpdatedParameter& p = parameters[tensor];
    const double step = *p.step.const_data_ptr<float>();
    row_kernels().adamw(
        p.parameter.mutable_data_ptr<float>() + first, p.gradient.const_data_ptr<float>() + first,
        p.exp_avg.mutable_data_ptr<float>() + first, p.exp_avg_sq.mutable_data_ptr<float>() + first,
        count,
        {.learning_rate = static_cast<float>(rates.learning_rate),
         .beta1 = static_cast<float>(rates.beta1),
         .beta2 = static_cast<float>(rates.beta2),
         .weight_decay = static_cast<float>(p.weight_decay),
         .epsilon = static_cast<float>(rates.epsilon),
         .correction1 = static_cast<float>(1 - std::pow(rates.beta1, step)),
         .correction2_root = static_cast<float>(std::sqrt(1 - std::pow(rates.beta2, step))),
         .gradient_scale = scale});
  });
}

}  // namespace gpt
