// Which windows each step sees. The draws are nanoGPT's, in nanoGPT's order: the first batch before
// anything else, then the rest of a step's batches after its evaluation, then the first batch of
// the next step. How a step is cut into micro-batches changes nothing.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include "gpt/config/train_config.h"
#include "gpt/data/batch_feed.h"
#include "gpt/data/batch_sampler.h"
#include "gpt/train/dataset.h"

namespace gpt {

class Batches {
 public:
  // `pending`: windows drawn earlier and not used yet (a resumed run); empty for a new run, which
  // then draws its first batch.
  Batches(const DataConfig& config, const Dataset& dataset, at::Generator generator,
          const c10::Device& device, std::vector<std::int64_t> pending);

  // Draws what step needs and sends it to the reader thread, unless the last call has done so.
  // Then draws ahead: the next step's first batch, and all of it if nothing else will draw in
  // between, so that it is read while this step computes.
  void begin_step(bool evaluation_follows);

  // The next micro-batch of the step.
  Batch take() { return feed_.take(); }

  std::int64_t micro_batches() const;
  std::int64_t effective_batch() const { return effective_; }

  // Draws `count` evaluation batches of a split and queues them; take() gives each cut into pieces
  // of eval_batch_size. Only between steps, before begin_step draws ahead.
  void request_evaluation(const TokenFile& split, std::int64_t count);
  std::int64_t evaluation_pieces() const;
  void abandon_evaluation() { feed_.clear(); }

  // Windows drawn but not trained on, for the checkpoint.
  const std::vector<std::int64_t>& pending() const { return pending_; }

 private:
  void draw(std::int64_t count);

  DataConfig config_;
  const Dataset& dataset_;
  BatchSampler sampler_;
  BatchFeed feed_;
  std::int64_t effective_, micro_, eval_micro_;
  std::vector<std::int64_t> pending_;
  bool requested_ = false;  // pending_'s first effective_ windows are in the feed
};

}  // namespace gpt
