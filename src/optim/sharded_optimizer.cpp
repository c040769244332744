#include "gpt/optim/sharded_optimizer.h"

#include <algorithm>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/kernels/ops/muon_update.h"

namespace gpt {

namespace {

// Elements; parts begin where vector loads and cache lines do.
constexpr std::int64_t kAlignment = 64;

at::Tensor part_of(const at::Tensor& whole, std::int64_t first, std::int64_t count) {
  return whole.view({-1}).narrow(0, first, count);
}

bool is_scalar(const Optimizer::StateShape& shape) {
  return shape.sizes.empty();
}

}  // namespace

ShardedOptimizer::ShardedOptimizer(std::vector<OptimizedTensor> parameters, ProcessGroup& group,
                                   const Make& make)
    : parameters_(std::move(parameters)), group_(group), pieces_(group.size()) {
  const at::NoGradGuard no_grad;
  deal_matrices();
  cut_others();
  for (const Piece& piece : own()) {
    const OptimizedTensor& parameter = parameters_[piece.parameter];
    const at::Tensor whole = parameter.tensor.detach();
    const at::Tensor flat = part_of(whole, piece.first, piece.count);
    const bool vector = whole.dim() < 2;
    parts_.push_back({parameter.matrices > 0 ? whole
                      : vector               ? flat
                                             : flat.view({1, piece.count}),
                      parameter.matrices});
  }
  own_ = make(parts_);
}

void ShardedOptimizer::deal_matrices() {
  std::vector<std::size_t> whole;
  std::vector<double> costs;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const auto& [tensor, matrices] = parameters_[i];
    if (matrices == 0) continue;
    whole.push_back(i);
    const MatrixShape shape{tensor.size(0) / matrices, tensor.size(1)};
    costs.push_back(static_cast<double>(matrices) * shape.flops());
  }
  const std::vector<int> owners = dealt_by_cost(costs, group_.size());
  for (std::size_t i = 0; i < whole.size(); ++i)
    pieces_[static_cast<std::size_t>(owners[i])].push_back(
        {whole[i], 0, parameters_[whole[i]].tensor.numel()});
}

// As one row of elements, in even parts.
void ShardedOptimizer::cut_others() {
  const int processes = group_.size();
  std::int64_t all = 0, before = 0;
  for (const auto& [tensor, matrices] : parameters_) all += matrices > 0 ? 0 : tensor.numel();
  std::vector<bool> has(pieces_.size());
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (parameters_[i].matrices > 0) continue;
    const std::int64_t count = parameters_[i].tensor.numel();
    // Where a process's part begins, seen from this parameter.
    const auto bound = [&](std::int64_t rank) {
      const std::int64_t at = all / processes * rank - before;
      return rank == processes ? count
                               : std::clamp<std::int64_t>(at / kAlignment * kAlignment, 0, count);
    };
    for (int rank = 0; rank < processes; ++rank)
      if (bound(rank + 1) > bound(rank)) {
        pieces_[rank].push_back({i, bound(rank), bound(rank + 1) - bound(rank)});
        has[rank] = true;
      }
    before += count;
  }
  for (const bool some : has)
    if (!some)
      throw InputError(concat("zero=1: ", processes, " processes cannot share ", all,
                              " parameters in parts of ", kAlignment, " or more; use zero=0"));
}

OwnedTensors ShardedOptimizer::views(
    const std::function<at::Tensor(std::size_t parameter)>& of) const {
  OwnedTensors all(pieces_.size());
  for (std::size_t rank = 0; rank < pieces_.size(); ++rank)
    for (const Piece& piece : pieces_[rank])
      all[rank].push_back(part_of(of(piece.parameter), piece.first, piece.count));
  return all;
}

void ShardedOptimizer::sum_gradients(ProcessGroup& group, const std::vector<at::Tensor>&) {
  const at::NoGradGuard no_grad;
  group.reduce_scatter(views([&](std::size_t i) { return parameters_[i].tensor.grad(); }));
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const Piece& piece = own()[i];
    parts_[i].tensor.mutable_grad() =
        part_of(parameters_[piece.parameter].tensor.grad(), piece.first, piece.count)
            .view(parts_[i].tensor.sizes());
  }
}

Optimizer::Part ShardedOptimizer::own_part(std::size_t parameter) const {
  const std::size_t i = own_piece(parameter);
  if (i == kNone) return {.first = 0, .count = 0};
  return {.first = own()[i].first, .count = own()[i].count};
}

at::Tensor ShardedOptimizer::gradient_norm() {
  const at::NoGradGuard no_grad;
  const at::Tensor square = own_->gradient_norm().to(at::kDouble).square();
  group_.sum({square});
  return square.sqrt().to(at::kFloat);
}

void ShardedOptimizer::step(double learning_rate, const at::Tensor& skip,
                            const at::Tensor& factor) {
  own_->step(learning_rate, skip, factor);
  group_.all_gather(views([&](std::size_t i) { return parameters_[i].tensor.detach(); }));
}

std::size_t ShardedOptimizer::own_piece(std::size_t parameter) const {
  for (std::size_t i = 0; i < own().size(); ++i)
    if (own()[i].parameter == parameter) return i;
  return kNone;
}

std::vector<Optimizer::StateTensor> ShardedOptimizer::state_tensors(std::size_t parameter) const {
  const at::NoGradGuard no_grad;
  const std::size_t piece = own_piece(parameter);
  const std::vector<StateTensor> here =
      piece == kNone ? std::vector<StateTensor>() : own_->state_tensors(piece);
  const std::vector<StateShape> shapes = state_shapes(parameter);
  std::vector<StateTensor> all;
  for (std::size_t i = 0; i < shapes.size(); ++i)
    all.push_back({shapes[i].name,
                   collected(parameter, shapes[i], here.empty() ? at::Tensor() : here[i].tensor)});
  return all;
}

// The first process's copy of what all have of one tensor; of a scalar, what the process has that
// owns the parameter's beginning.
at::Tensor ShardedOptimizer::collected(std::size_t parameter, const StateShape& shape,
                                       const at::Tensor& here) const {
  const at::Tensor whole = group_.is_first() ? at::zeros(shape.sizes, at::kFloat) : at::Tensor();
  OwnedTensors of_rank(pieces_.size());
  bool found = false;  // of a scalar
  for (std::size_t rank = 0; rank < pieces_.size(); ++rank)
    for (const Piece& piece : pieces_[rank]) {
      if (piece.parameter != parameter || (is_scalar(shape) && std::exchange(found, true)))
        continue;
      const bool mine = static_cast<int>(rank) == group_.rank();
      at::Tensor part;
      if (group_.is_first())
        part = is_scalar(shape) ? whole.view({1}) : part_of(whole, piece.first, piece.count);
      else if (mine)
        part = here.to(at::kCPU).reshape({-1});
      if (group_.is_first() && mine) part.copy_(here.reshape({-1}));
      if (part.defined()) of_rank[rank].push_back(part);
    }
  group_.gather(of_rank);
  return whole;
}

void ShardedOptimizer::restore(std::size_t parameter, const std::string& name,
                               const at::Tensor& value) {
  const std::size_t i = own_piece(parameter);
  if (i == kNone) return;
  const Piece& piece = own()[i];
  own_->restore(i, name,
                value.dim() == 0
                    ? value
                    : part_of(value, piece.first, piece.count).view(parts_[i].tensor.sizes()));
}

}  // namespace gpt
