// One thread makes items, several work on them, and the owner takes the results in order.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "gpt/base/thread.h"

namespace gpt {

// Memory does not grow with the number of items: `make` waits while those between it and the owner
// weigh `most` or more.
template <class Item, class Result>
class OrderedPipeline {
 public:
  using Make = std::function<std::optional<Item>(const std::stop_token&)>;  // nothing: the end
  using Work = std::function<Result(Item&&)>;
  using Weight = std::function<std::uint64_t(const Item&)>;
  enum class Taken { kResult, kNothingYet, kEnd };

  OrderedPipeline(int threads, std::uint64_t most, Make make, Weight weight, Work work)
      : most_(most), make_(std::move(make)), weight_(std::move(weight)), work_(std::move(work)) {
    const auto start = [this](auto work_of_a_thread) {
      threads_.push_back(start_thread<std::jthread>("preparing data", work_of_a_thread));
    };
    start([this](const std::stop_token& stop) { make_all(stop); });
    for (int i = 0; i < threads; ++i)
      start([this](const std::stop_token& stop) { work_on_all(stop); });
  }
  ~OrderedPipeline() {  // drops what was not taken
    for (std::jthread& thread : threads_) thread.request_stop();
  }

  // The next result, waiting at most `patience` for it. Rethrows what making or working threw, in
  // its place in the order; nothing comes after that.
  Taken take(Result& result, std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    const auto ready = [this] { return slots_.empty() ? ended_ : slots_.front()->done; };
    if (!changed_.wait_for(lock, patience, ready)) return Taken::kNothingYet;
    if (slots_.empty()) return Taken::kEnd;
    const std::unique_ptr<Slot> slot = std::move(slots_.front());
    slots_.pop_front();
    if (next_ > 0) --next_;  // 0: an error of `make`, on which no one works
    weight_now_ -= slot->weight;
    lock.unlock();
    changed_.notify_all();
    if (slot->error) std::rethrow_exception(slot->error);
    result = std::move(*slot->result);
    return Taken::kResult;
  }

 private:
  struct Slot {
    std::optional<Item> item;
    std::optional<Result> result;
    std::exception_ptr error;
    std::uint64_t weight = 0;
    bool done = false;
  };

  void make_all(const std::stop_token& stop) {
    while (true) {
      auto slot = std::make_unique<Slot>();
      try {
        slot->item = make_(stop);
        if (slot->item) slot->weight = weight_(*slot->item);
      } catch (...) {
        slot->error = std::current_exception();
        slot->done = true;
      }
      const bool last = slot->done || !slot->item;
      std::unique_lock lock(mutex_);
      if (slot->done || slot->item) {
        weight_now_ += slot->weight;
        slots_.push_back(std::move(slot));
      }
      ended_ = last;
      changed_.notify_all();
      if (last || !changed_.wait(lock, stop, [this] { return weight_now_ < most_; })) return;
    }
  }

  void work_on_all(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (changed_.wait(lock, stop, [this] { return next_ < slots_.size() || ended_; })) {
      if (next_ >= slots_.size()) return;
      Slot& slot = *slots_[next_++];  // it stays until it is done
      if (slot.done) continue;        // an error of make_
      lock.unlock();
      try {
        slot.result = work_(std::move(*slot.item));
      } catch (...) {
        slot.error = std::current_exception();
      }
      slot.item.reset();
      lock.lock();
      slot.done = true;
      changed_.notify_all();
    }
  }

  const std::uint64_t most_;
  const Make make_;
  const Weight weight_;
  const Work work_;
  std::mutex mutex_;  // guards all below
  std::condition_variable_any changed_;
  std::deque<std::unique_ptr<Slot>> slots_;  // in order; the first next_ are taken for work
  std::size_t next_ = 0;
  std::uint64_t weight_now_ = 0;
  bool ended_ = false;
  std::vector<std::jthread> threads_;  // last: they start when all else is there
};

}  // namespace gpt
