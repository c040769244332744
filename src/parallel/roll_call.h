// Who of a group is alive, and what each was last seen doing: a thread of every process keeps a
// counter in the store going. When a collective fails, this is how the others know whom to name.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <torch/csrc/distributed/c10d/Store.hpp>

namespace gpt {

class RollCall {
 public:
  // `names` of the processes, by rank. `alive` is used by this object's thread, `store` by its
  // caller.
  RollCall(c10::intrusive_ptr<c10d::Store> store, c10::intrusive_ptr<c10d::Store> alive, int rank,
           std::vector<std::string> names);
  ~RollCall();
  RollCall(const RollCall&) = delete;
  RollCall& operator=(const RollCall&) = delete;

  // This process has come to its collective number `number`.
  void at(std::int64_t number) { reached_ = number; }
  // This process ends with an error.
  void report_failure(const std::string& what);

  // Which processes keep this one waiting, and why as far as is known: one part of a sentence.
  // Takes a few seconds.
  struct Absent {
    std::string text;
    bool has_ended = false;  // it has said so itself
  };
  Absent absent();

 private:
  void beat();
  static Absent missing(c10d::Store& store, int rank, const std::vector<std::string>& names);

  c10::intrusive_ptr<c10d::Store> store_, alive_;
  const int rank_;
  const std::vector<std::string> names_;
  std::atomic<std::int64_t> reached_ = 0;
  std::mutex mutex_;
  std::condition_variable leave_;
  bool leaving_ = false;
  std::thread thread_;
};

}  // namespace gpt
