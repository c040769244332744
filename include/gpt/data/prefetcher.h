// Batches, cut from token files while the batch before trains.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include "gpt/data/token_file.h"

namespace gpt {

// What the model is trained on in one forward pass.
// Legend: B sequences of the micro-batch, T tokens of a sequence.
struct Batch {
  at::Tensor x_BT;             // int64, on the device
  at::Tensor y_BT;             // int64, on the device: x one token later
  at::Tensor sequence_B;       // int64, CPU: each row's index in the effective batch; keys dropout
  at::Tensor counted_BT = {};  // bool, on the device: the targets that count; undefined: all do

  // y_BT with nanoGPT's ignore_index, -1, where a target does not count.
  at::Tensor training_targets() const;
};

// Where the window of a row begins.
struct BatchRow {
  const TokenFile* file;
  std::int64_t offset;
};

// Rows of one file, from an int64 CPU tensor.
std::vector<BatchRow> rows_of(const TokenFile& file, const at::Tensor& offsets);

// Row b is a window of block_size tokens and sequence first_sequence + b of the effective batch.
// InputError for a token outside the vocabulary, Error for an offset outside the file.
Batch make_batch(std::span<const BatchRow> rows, std::int64_t first_sequence,
                 std::int64_t block_size, at::Device device);
inline Batch make_batch(const TokenFile& file, const at::Tensor& offsets,
                        std::int64_t first_sequence, std::int64_t block_size, at::Device device) {
  return make_batch(rows_of(file, offsets), first_sequence, block_size, device);
}

// One thread converts micro-batches in the order of the requests, at most kAhead of them before
// they are taken, and has them copied to the device while it works. All members but the thread
// belong to the caller's thread.
class Prefetcher {
 public:
  static constexpr std::size_t kAhead = 2;

  Prefetcher(std::int64_t block_size, at::Device device);
  ~Prefetcher();  // pending work is dropped
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  // Queues an effective batch in micro-batches of `micro_batch` sequences, the last one shorter
  // where it does not divide (64 by 27: 27, 27, 10). The files must stay until their batches are
  // taken or cleared.
  // first_sequence: of the first row in the effective batch.
  void request(std::span<const BatchRow> rows, std::int64_t micro_batch,
               std::int64_t first_sequence = 0);
  void request(const TokenFile& file, const at::Tensor& offsets, std::int64_t micro_batch,
               std::int64_t first_sequence = 0) {
    request(rows_of(file, offsets), micro_batch, first_sequence);
  }

  // The next micro-batch, on the device; waits for it. Rethrows what went wrong in making it; the
  // micro-batch after it can still be taken. Error if none is pending.
  Batch take();

  std::int64_t pending() const { return pending_; }  // requested, not yet taken

  // Drops everything pending; on return no file is in use.
  void clear();

 private:
  struct Job {
    std::vector<BatchRow> rows;
    std::int64_t first_sequence;
  };
  struct Made {
    Batch batch;
    std::exception_ptr error;
    std::optional<c10::Event> copied;  // batch is on its way to the device
  };

  void work();
  Made make(const Job& job) const;

  const std::int64_t block_size_;
  const at::Device device_;
  std::optional<c10::Stream> copies_;  // none on the CPU
  std::int64_t pending_ = 0;

  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  std::deque<Made> made_;
  bool busy_ = false;  // a job is neither in jobs_ nor in made_
  bool stop_ = false;
  std::thread thread_;  // last: it starts when all else is there
};

}  // namespace gpt
