#include "gpt/train/step_batches.h"

#include <algorithm>
#include <utility>

#include <ATen/ATen.h>

namespace gpt {

namespace {

std::int64_t pieces(std::int64_t whole, std::int64_t piece) {
  return (whole + piece - 1) / piece;
}

}  // namespace

StepBatches::StepBatches(const DataConfig& config, std::int64_t seed, const Dataset& dataset,
                         at::Generator generator, const c10::Device& device,
                         const ProcessGroup& group, DataPosition position)
    : config_(config),
      dataset_(dataset),
      group_(group),
      device_(device),
      sampler_(std::move(generator)),
      prefetcher_(config.block_size, device),
      effective_(config.batch_size * config.gradient_accumulation_steps),
      micro_(std::min(effective_, config.micro_batch_size.or_else(config.batch_size))),
      eval_micro_(std::min(config.batch_size, config.eval_batch_size.or_else(micro_))),
      order_(config.data_order, seed, config.block_size, source_sizes(dataset)),
      draws_(config.data_order == "random" && dataset.train.size() == 1),
      taken_(std::move(position.taken)) {
  taken_.resize(dataset.train.size());
  drawn_ = taken_;
  for (const std::int64_t offset : position.pending) pending_.push_back({0, offset});
  if (pending_.empty()) draw(config_.batch_size);
}

void StepBatches::draw(std::int64_t count) {
  if (!draws_) {
    for (std::int64_t i = 0; i < count; ++i) pending_.push_back(order_.next(drawn_));
    return;
  }
  const at::Tensor offsets =
      sampler_.draw(dataset_.train.front().tokens.size(), config_.block_size, count);
  const std::int64_t* data = offsets.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < count; ++i) pending_.push_back({0, data[i]});
}

// Each step of this may fail for want of memory; called again, it continues where it was.
void StepBatches::begin_step(bool evaluation_follows) {
  const ProfileRange range("data");
  if (step_.empty()) {
    fill();
    step_.assign(pending_.begin(), pending_.begin() + effective_);
    pending_.erase(pending_.begin(), pending_.begin() + effective_);
    step_queued_ = std::exchange(next_queued_, false);
  }
  if (pending_.empty()) draw(config_.batch_size);
  if (!evaluation_follows) fill();
  if (!step_queued_) queue(step_);
  step_queued_ = true;
  if (evaluation_follows || next_queued_) return;
  queue(pending_);
  next_queued_ = true;
}

void StepBatches::restart_step(std::int64_t micro_batch) {
  prefetcher_.clear();
  step_queued_ = next_queued_ = false;
  micro_ = std::min(micro_batch, effective_);
}

bool StepBatches::has_masks(Split split) const {
  if (split == Split::kVal) return dataset_.val.has_masks();
  return std::any_of(dataset_.train.begin(), dataset_.train.end(),
                     [](const TrainingSource& source) { return source.tokens.has_masks(); });
}

StepBatches::Targets StepBatches::targets() const {
  const std::int64_t block = config_.block_size;
  if (!has_masks(Split::kTrain)) return {effective_ * block, config_.batch_size * block};
  Targets targets{0, 0};
  for (std::int64_t sequence = 0; sequence < effective_; ++sequence) {
    const Window& window = step_[static_cast<std::size_t>(sequence)];
    const TokenFile& tokens = dataset_.train[static_cast<std::size_t>(window.source)].tokens;
    const std::int64_t counted = tokens.counted(window.offset + 1, block);
    targets.all += counted;
    if (sequence >= effective_ - config_.batch_size) targets.last += counted;
  }
  return targets;
}

void StepBatches::fill() {
  const auto have = static_cast<std::int64_t>(pending_.size());
  if (have < effective_) draw(effective_ - have);
}

void StepBatches::queue(const std::vector<Window>& windows) {
  const IndexRange own = own_sequences();
  std::vector<BatchRow> rows;
  for (std::int64_t i = own.begin; i < own.end; ++i) {
    const Window& window = windows[static_cast<std::size_t>(i)];
    rows.push_back(
        {&dataset_.train[static_cast<std::size_t>(window.source)].tokens, window.offset});
  }
  prefetcher_.request(rows, micro_, own.begin);
}

void StepBatches::finish_step() {
  for (const Window& window : step_) ++taken_[static_cast<std::size_t>(window.source)];
  finished_ = std::exchange(step_, {});
}

DataPosition StepBatches::position() const {
  DataPosition position{{}, taken_};
  if (!draws_) return position;
  for (const auto* windows : {&step_, &pending_})
    for (const Window& window : *windows) position.pending.push_back(window.offset);
  return position;
}

std::vector<SourceProgress> StepBatches::progress() const {
  WindowOrder::Counts taken = taken_;
  for (const Window& window : step_) ++taken[static_cast<std::size_t>(window.source)];
  std::vector<SourceProgress> all;
  for (std::size_t i = 0; i < taken.size(); ++i)
    all.push_back(
        {dataset_.train[i].name, taken[i] * config_.block_size, order_.tokens_per_epoch(i)});
  return all;
}

std::int64_t StepBatches::micro_batches() const {
  return pieces(own_sequences().size(), micro_);
}
std::int64_t StepBatches::evaluation_pieces() const {
  return pieces(group_.partition(config_.batch_size).size(), eval_micro_);
}

// nanoGPT's draw; of a mixture, for each sequence a source by its share and a place in it.
std::vector<BatchRow> StepBatches::draw_evaluation(Split split) {
  const std::int64_t count = config_.batch_size, block = config_.block_size;
  const std::vector<TrainingSource>& sources = dataset_.train;
  if (split == Split::kVal || sources.size() == 1) {
    const TokenFile& file = split == Split::kVal ? dataset_.val : sources.front().tokens;
    return rows_of(file, sampler_.draw(file.size(), block, count));
  }
  const at::Tensor pick_B = sampler_.draw_fractions(count), at_B = sampler_.draw_fractions(count);
  const double *pick = pick_B.const_data_ptr<double>(), *at = at_B.const_data_ptr<double>();
  std::vector<BatchRow> rows;
  for (std::int64_t i = 0; i < count; ++i) {
    const TokenFile& file = sources[order_.source_at(pick[i])].tokens;
    const auto places = static_cast<double>(file.size() - block);
    rows.push_back({&file, static_cast<std::int64_t>(at[i] * places)});
  }
  return rows;
}

void StepBatches::request_evaluation(Split split, std::int64_t count) {
  TORCH_CHECK(!next_queued_, "an evaluation must be announced to begin_step");
  const IndexRange own = group_.partition(config_.batch_size);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::vector<BatchRow> rows = draw_evaluation(split);
    if (own.size() == 0) continue;
    prefetcher_.request(std::span(rows).subspan(static_cast<std::size_t>(own.begin),
                                                static_cast<std::size_t>(own.size())),
                        eval_micro_, own.begin);
  }
}

}  // namespace gpt
