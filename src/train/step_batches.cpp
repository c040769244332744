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

StepBatches::StepBatches(const DataConfig& config, const Dataset& dataset, at::Generator generator,
                         const c10::Device& device, const ProcessGroup& group,
                         std::vector<std::int64_t> pending)
    : config_(config),
      dataset_(dataset),
      group_(group),
      device_(device),
      sampler_(std::move(generator)),
      prefetcher_(config.block_size, device),
      effective_(config.batch_size * config.gradient_accumulation_steps),
      micro_(std::min(effective_, config.micro_batch_size.or_else(config.batch_size))),
      eval_micro_(std::min(config.batch_size, config.eval_batch_size.or_else(micro_))),
      pending_(std::move(pending)) {
  if (pending_.empty()) draw(config_.batch_size);
}

void StepBatches::draw(std::int64_t count) {
  const at::Tensor offsets = sampler_.draw(dataset_.train.size(), config_.block_size, count);
  const std::int64_t* data = offsets.const_data_ptr<std::int64_t>();
  pending_.insert(pending_.end(), data, data + count);
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

StepBatches::Targets StepBatches::targets() const {
  const std::int64_t block = config_.block_size;
  if (!dataset_.train.has_masks()) return {effective_ * block, config_.batch_size * block};
  Targets targets{0, 0};
  for (std::int64_t sequence = 0; sequence < effective_; ++sequence) {
    const std::int64_t offset = step_[static_cast<std::size_t>(sequence)];
    const std::int64_t counted = dataset_.train.counted(offset + 1, block);
    targets.all += counted;
    if (sequence >= effective_ - config_.batch_size) targets.last += counted;
  }
  return targets;
}

void StepBatches::fill() {
  const auto have = static_cast<std::int64_t>(pending_.size());
  if (have < effective_) draw(effective_ - have);
}

void StepBatches::queue(const std::vector<std::int64_t>& windows) {
  const IndexRange own = own_sequences();
  const at::ArrayRef<std::int64_t> mine(windows.data() + own.begin,
                                        static_cast<std::size_t>(own.size()));
  prefetcher_.request(dataset_.train, at::tensor(mine, at::kLong), micro_, own.begin);
}

std::vector<std::int64_t> StepBatches::pending() const {
  std::vector<std::int64_t> all = step_;
  all.insert(all.end(), pending_.begin(), pending_.end());
  return all;
}

std::int64_t StepBatches::micro_batches() const {
  return pieces(own_sequences().size(), micro_);
}
std::int64_t StepBatches::evaluation_pieces() const {
  return pieces(group_.partition(config_.batch_size).size(), eval_micro_);
}

void StepBatches::request_evaluation(const TokenFile& split, std::int64_t count) {
  TORCH_CHECK(!next_queued_, "an evaluation must be announced to begin_step");
  const IndexRange own = group_.partition(config_.batch_size);
  for (std::int64_t i = 0; i < count; ++i) {
    const at::Tensor offsets = sampler_.draw(split.size(), config_.block_size, config_.batch_size);
    if (own.size() == 0) continue;
    prefetcher_.request(split, offsets.slice(0, own.begin, own.end), eval_micro_, own.begin);
  }
}

}  // namespace gpt
