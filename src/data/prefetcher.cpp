#include "gpt/data/prefetcher.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/base/thread.h"

namespace gpt {

namespace {

void copy_window(const TokenFile& file, std::int64_t offset, std::int64_t block_size,
                 std::vector<std::int64_t>& window, std::int64_t* x, std::int64_t* y) {
  if (offset < 0 || offset > file.size() - block_size - 1)
    throw Error(concat(file.path().string(), ": a window of ", block_size, " + 1 tokens at ",
                       offset, " leaves the file of ", file.size(), " tokens"));
  file.copy(offset, block_size + 1, window.data());
  std::copy_n(window.data(), block_size, x);
  std::copy_n(window.data() + 1, block_size, y);
}

// Pinned memory lets the copy to a GPU overlap the compute.
Batch make_host_batch(std::span<const BatchRow> rows, std::int64_t first_sequence,
                      std::int64_t block_size, bool pinned) {
  const auto count = static_cast<std::int64_t>(rows.size());
  const auto options = at::TensorOptions().dtype(at::kLong);
  Batch batch{.x_BT = at::empty({count, block_size}, options.pinned_memory(pinned)),
              .y_BT = at::empty({count, block_size}, options.pinned_memory(pinned)),
              .sequence_B = at::arange(first_sequence, first_sequence + count, options)};
  auto* x = batch.x_BT.mutable_data_ptr<std::int64_t>();
  auto* y = batch.y_BT.mutable_data_ptr<std::int64_t>();
  std::vector<std::int64_t> window(static_cast<std::size_t>(block_size + 1));
  for (const BatchRow& row : rows) {
    copy_window(*row.file, row.offset, block_size, window, x, y);
    x += block_size;
    y += block_size;
  }
  const auto has_masks = [](const BatchRow& row) { return row.file->has_masks(); };
  if (std::none_of(rows.begin(), rows.end(), has_masks)) return batch;
  batch.counted_BT = at::empty({count, block_size}, options.dtype(at::kBool).pinned_memory(pinned));
  auto* counted = batch.counted_BT.mutable_data_ptr<bool>();
  for (const BatchRow& row : rows) {
    row.file->copy_mask(row.offset + 1, block_size, counted);
    counted += block_size;
  }
  return batch;
}

std::optional<c10::Stream> copy_stream(at::Device device) {
  if (device.is_cpu()) return std::nullopt;
  return c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
}

Batch to_device(Batch batch, at::Device device) {
  if (device.is_cpu()) return batch;
  const auto there = [&](const at::Tensor& here) {
    return here.defined() ? here.to(device, /*non_blocking=*/true) : here;
  };
  return {.x_BT = there(batch.x_BT),
          .y_BT = there(batch.y_BT),
          .sequence_B = batch.sequence_B,
          .counted_BT = there(batch.counted_BT)};
}

}  // namespace

std::vector<BatchRow> rows_of(const TokenFile& file, const at::Tensor& offsets) {
  const at::Tensor offsets_B = offsets.contiguous();
  const auto* offset = offsets_B.const_data_ptr<std::int64_t>();
  std::vector<BatchRow> rows;
  for (std::int64_t row = 0; row < offsets_B.size(0); ++row) rows.push_back({&file, offset[row]});
  return rows;
}

at::Tensor Batch::training_targets() const {
  if (!counted_BT.defined()) return y_BT;
  return y_BT.masked_fill(counted_BT.logical_not(), -1);
}

Batch make_batch(std::span<const BatchRow> rows, std::int64_t first_sequence,
                 std::int64_t block_size, at::Device device) {
  return to_device(make_host_batch(rows, first_sequence, block_size, device.is_cuda()), device);
}

Prefetcher::Prefetcher(std::int64_t block_size, at::Device device)
    : block_size_(block_size),
      device_(device),
      copies_(copy_stream(device)),
      thread_(start_thread<std::thread>("reading batches", [this] { work(); })) {}

Prefetcher::~Prefetcher() {
  {
    const std::scoped_lock lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Prefetcher::request(std::span<const BatchRow> rows, std::int64_t micro_batch,
                         std::int64_t first_sequence) {
  TORCH_CHECK(micro_batch > 0, "a micro-batch of ", micro_batch, " sequences");
  const auto sequences = static_cast<std::int64_t>(rows.size());
  {
    const std::scoped_lock lock(mutex_);
    for (std::int64_t first = 0; first < sequences; first += micro_batch) {
      const std::int64_t count = std::min(micro_batch, sequences - first);
      jobs_.push_back(
          {{rows.begin() + first, rows.begin() + first + count}, first_sequence + first});
      ++pending_;
    }
  }
  changed_.notify_all();
}

Batch Prefetcher::take() {
  if (pending_ == 0) throw Error("a batch was taken that nobody requested");
  Made made;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !made_.empty(); });
    made = std::move(made_.front());
    made_.pop_front();
  }
  --pending_;
  changed_.notify_all();
  if (made.error) std::rethrow_exception(made.error);
  if (made.copied) {
    const c10::Stream stream = c10::impl::VirtualGuardImpl(device_.type()).getStream(device_);
    made.copied->block(stream);
    // Their memory must not be reused while this stream still reads it.
    made.batch.x_BT.record_stream(stream);
    made.batch.y_BT.record_stream(stream);
    if (made.batch.counted_BT.defined()) made.batch.counted_BT.record_stream(stream);
  }
  return std::move(made.batch);
}

void Prefetcher::clear() {
  std::unique_lock lock(mutex_);
  jobs_.clear();
  changed_.wait(lock, [this] { return !busy_; });
  made_.clear();
  pending_ = 0;
}

Prefetcher::Made Prefetcher::make(const Job& job) const {
  Made made;
  try {
    made.batch = make_host_batch(job.rows, job.first_sequence, block_size_, device_.is_cuda());
    if (copies_) {
      const c10::StreamGuard guard(*copies_);
      made.batch = to_device(std::move(made.batch), device_);
      made.copied.emplace(device_.type());
      made.copied->record(*copies_);
    }
  } catch (...) {  // whatever it is, it belongs to the caller of take()
    made.error = std::current_exception();
  }
  return made;
}

void Prefetcher::work() {
  // A new thread's current GPU is the first one, on which recording an event would open a context.
  const c10::OptionalDeviceGuard on_device(copies_ ? std::optional(copies_->device())
                                                   : std::nullopt);
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stop_ || (!jobs_.empty() && made_.size() < kAhead); });
    if (stop_) return;
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    busy_ = true;
    lock.unlock();
    Made made = make(job);
    lock.lock();
    made_.push_back(std::move(made));
    busy_ = false;
    changed_.notify_all();
  }
}

}  // namespace gpt
