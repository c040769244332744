#include "gpt/optim/sharded_optimizer.h"

#include <algorithm>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

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

ShardedOptimizer::ShardedOptimizer(std::vector<at::Tensor> parameters, ProcessGroup& group,
                                   const Make& make)
    : parameters_(std::move(parameters)), group_(group), pieces_(group.size()) {
  const at::NoGradGuard no_grad;
  std::int64_t all = 0, before = 0;
  for (const at::Tensor& parameter : parameters_) all += parameter.numel();
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const std::int64_t count = parameters_[i].numel();
    // Where a process's part begins, seen from this parameter.
    const auto bound = [&](std::int64_t rank) {
      const std::int64_t at = all / group.size() * rank - before;
      return rank == group.size()
                 ? count
                 : std::clamp<std::int64_t>(at / kAlignment * kAlignment, 0, count);
    };
    for (int rank = 0; rank < group.size(); ++rank)
      if (bound(rank + 1) > bound(rank))
        pieces_[rank].push_back({i, bound(rank), bound(rank + 1) - bound(rank)});
    before += count;
  }
  for (const std::vector<Piece>& pieces : pieces_)
    if (pieces.empty())
      throw InputError(concat("zero=1: ", group.size(), " processes cannot share ", all,
                              " parameters in parts of ", kAlignment, " or more; use zero=0"));
  for (const Piece& piece : own()) {
    const at::Tensor& parameter = parameters_[piece.parameter];
    const at::Tensor flat = part_of(parameter.detach(), piece.first, piece.count);
    parts_.push_back(parameter.dim() >= 2 ? flat.view({1, piece.count}) : flat);
  }
  own_ = make(parts_);
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
  group.reduce_scatter(views([&](std::size_t i) { return parameters_[i].grad(); }));
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const Piece& piece = own()[i];
    parts_[i].mutable_grad() =
        part_of(parameters_[piece.parameter].grad(), piece.first, piece.count)
            .view(parts_[i].sizes());
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
  group_.all_gather(views([&](std::size_t i) { return parameters_[i].detach(); }));
}

std::size_t ShardedOptimizer::own_piece(std::size_t parameter) const {
  for (std::size_t i = 0; i < own().size(); ++i)
    if (own()[i].parameter == parameter) return i;
  return kNone;
}

// Every parameter has the state of the first one, which each process has a part of: elementwise
// tensors, and scalars.
std::vector<Optimizer::StateShape> ShardedOptimizer::state_shapes(std::size_t parameter) const {
  std::vector<StateShape> shapes = own_->state_shapes(0);
  for (StateShape& shape : shapes)
    if (!is_scalar(shape)) shape.sizes = parameters_[parameter].sizes().vec();
  return shapes;
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
  own_->restore(
      i, name,
      value.dim() == 0 ? value : part_of(value, piece.first, piece.count).view(parts_[i].sizes()));
}

// As of all parameters: the parts are views of them.
std::vector<Optimizer::GroupFacts> ShardedOptimizer::groups() const {
  GroupFacts matrices{"decayed"}, vectors{"non-decayed"};
  for (const at::Tensor& parameter : parameters_) {
    GroupFacts& group = parameter.dim() >= 2 ? matrices : vectors;
    ++group.tensors;
    group.parameters += parameter.numel();
  }
  return {matrices, vectors};
}

}  // namespace gpt
