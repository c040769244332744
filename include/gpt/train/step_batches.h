// Which windows each step sees. With data_order=random and one source the draws are nanoGPT's, in
// nanoGPT's order: the first batch before anything else, then the rest of a step's batches after
// its evaluation, then the first batch of the next step. Otherwise they are WindowOrder's, and the
// generator draws for evaluations alone. How a step is cut into micro-batches changes nothing.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include "gpt/base/profile_range.h"
#include "gpt/config/train_config.h"
#include "gpt/data/batch_sampler.h"
#include "gpt/data/prefetcher.h"
#include "gpt/data/window_order.h"
#include "gpt/parallel/process_group.h"
#include "gpt/train/dataset.h"

namespace gpt {

// Where a run is in its data, for the checkpoint.
struct DataPosition {
  std::vector<std::int64_t> pending;  // nanoGPT's draws that were not trained on yet: offsets
  WindowOrder::Counts taken;          // windows of each source that were
};

// What a run has trained on of a source.
struct SourceProgress {
  std::string_view name;  // the dataset's
  std::int64_t tokens = 0, tokens_per_epoch = 1;
  double epochs() const {
    return static_cast<double>(tokens) / static_cast<double>(tokens_per_epoch);
  }
};

enum class Split : std::int64_t { kTrain, kVal };

class StepBatches {
 public:
  // `position`: of the checkpoint, or empty for a new run, which then draws its first batch.
  StepBatches(const DataConfig& config, std::int64_t seed, const Dataset& dataset,
              at::Generator generator, const c10::Device& device, const ProcessGroup& group,
              DataPosition position);

  // Draws what the step needs and sends this process's part to the reader thread, unless that has
  // happened. Then
  // draws ahead: the next step's first batch, and all of it if nothing else will draw in between,
  // so that it is read while this step computes. Until finish_step the step's windows stay the
  // same, whatever fails and however often this is called.
  void begin_step(bool evaluation_follows);

  // The next micro-batch of the step.
  Batch take() {
    const ProfileRange range("data");
    return prefetcher_.take();
  }

  // Forgets what is read ahead; begin_step then starts again with the step's first micro-batch, now
  // of `micro_batch` sequences.
  void restart_step(std::int64_t micro_batch);

  // Targets that count, of the windows of all processes: in the step that has begun, and in its
  // last batch_size sequences.
  struct Targets {
    std::int64_t all, last;
  };
  Targets targets() const;
  // Do masks say which targets of a split count?
  bool has_masks(Split split) const;

  // The step's windows have been trained on.
  void finish_step();

  // The windows of the step that has begun, or else of the last one that was finished, in the order
  // of the effective batch; window_name() says where they are.
  const std::vector<Window>& windows() const { return step_.empty() ? finished_ : step_; }

  // Of all steps up to the one that has begun, or else the last one that was finished.
  std::vector<SourceProgress> progress() const;

  std::int64_t micro_batch() const { return micro_; }
  std::int64_t micro_batches() const;
  std::int64_t effective_batch() const { return effective_; }
  const c10::Device& device() const { return device_; }
  // The sequences of the effective batch that this process trains on.
  IndexRange own_sequences() const { return group_.partition(effective_); }

  // Draws `count` evaluation batches of a split and queues this process's part of each; take()
  // gives that cut into pieces of eval_batch_size. Only between steps, before begin_step draws
  // ahead.
  void request_evaluation(Split split, std::int64_t count);
  std::int64_t evaluation_pieces() const;
  // Of one evaluation batch, in all processes.
  std::int64_t evaluation_tokens() const { return config_.batch_size * config_.block_size; }
  void abandon_evaluation() { prefetcher_.clear(); }
  std::int64_t evaluation_batch() const { return eval_micro_; }
  void set_evaluation_batch(std::int64_t sequences) { eval_micro_ = sequences; }

  DataPosition position() const;

 private:
  void draw(std::int64_t count);
  void fill();
  void queue(const std::vector<Window>& windows);
  std::vector<BatchRow> draw_evaluation(Split split);

  DataConfig config_;
  const Dataset& dataset_;
  const ProcessGroup& group_;
  c10::Device device_;
  BatchSampler sampler_;
  Prefetcher prefetcher_;
  std::int64_t effective_, micro_, eval_micro_;
  WindowOrder order_;
  const bool draws_;              // nanoGPT's: order_ only counts
  WindowOrder::Counts taken_;     // by the steps that are finished
  WindowOrder::Counts drawn_;     // and by those that are not
  std::vector<Window> step_;      // of the step that has begun
  std::vector<Window> pending_;   // of those after it
  std::vector<Window> finished_;  // of the step before
  bool step_queued_ = false;      // step_ is in the feed
  bool next_queued_ = false;      // so are pending_'s first effective_ windows
};

}  // namespace gpt
