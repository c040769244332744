#include "gpt/kernels/cpu_update.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include <ATen/ATen.h>

#include "gpt/kernels/team.h"
#include "gpt/kernels/vector_kernels.h"

namespace gpt {

namespace {

// Elements [first, first + count) of a tensor. Sums of pieces do not depend on the threads.
struct Piece {
  std::size_t tensor;
  std::int64_t first, count;
};

// A quarter of the second cache for the four arrays of a piece.
constexpr std::int64_t kPieceElements = 1 << 13;

std::vector<Piece> cut(std::size_t tensors, const std::function<at::Tensor(std::size_t)>& tensor) {
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < tensors; ++i) {
    const at::Tensor t = tensor(i);
    TORCH_CHECK(t.is_contiguous() && t.scalar_type() == at::kFloat,
                "contiguous float32 tensors are needed");
    for (std::int64_t first = 0; first < t.numel(); first += kPieceElements)
      pieces.push_back({i, first, std::min(kPieceElements, t.numel() - first)});
  }
  return pieces;
}

// Calls work(i) for every piece on some thread.
template <class Work>
void share_out(const std::vector<Piece>& pieces, const Work& work) {
  std::int64_t all = 0;
  for (const Piece& piece : pieces) all += piece.count;
  Team& workers = team();
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
  const auto pieces = cut(gradients.size(), [&](std::size_t i) { return gradients[i]; });
  std::vector<double> squares(pieces.size());
  share_out(pieces, [&](std::size_t i) {
    const auto& [tensor, first, count] = pieces[i];
    squares[i] =
        vector_kernels().sum_of_squares(gradients[tensor].const_data_ptr<float>() + first, count);
  });
  double sum = 0;
  for (const double square : squares) sum += square;
  return at::full({}, std::sqrt(sum), at::kFloat);
}

void cpu_adamw(const std::vector<UpdatedParameter>& parameters, const UpdateRates& rates,
               const at::Tensor& factor, const at::Tensor& skip) {
  if (*skip.const_data_ptr<float>() != 0) return;
  const auto pieces =
      cut(parameters.size(), [&](std::size_t i) { return parameters[i].parameter; });
  const float scale = *factor.const_data_ptr<float>();
  share_out(pieces, [&](std::size_t i) {
    const auto& [tensor, first, count] = pieces[i];
    const UpdatedParameter& p = parameters[tensor];
    const double step = *p.step.const_data_ptr<float>();
    vector_kernels().adamw(
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
