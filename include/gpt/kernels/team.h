// Threads that work on one thing together: the caller and helpers that sleep in between. One team
// per process, so that the model and the optimizer do not fight over the cores.
#pragma once

#include <atomic>
#include <barrier>
#include <exception>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace gpt {

class Team {
 public:
  explicit Team(int size);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const { return size_; }

  // Calls work(rank) for each rank below size() on a thread of its own, the caller being rank 0,
  // and returns when all are done. The first exception (of the lowest rank) is thrown again; work
  // that meets others at barriers must not throw between them.
  void run(const std::function<void(int)>& work);

  // The share [begin, end) of `rank`: shares are whole multiples of `grain`, but for the last.
  struct Share {
    std::int64_t begin, end;
  };
  Share share(std::int64_t size, int rank, std::int64_t grain = 1) const {
    const std::int64_t grains = (size + grain - 1) / grain;
    const std::int64_t begin = grains * rank / size_ * grain;
    const std::int64_t end = grains * (rank + 1) / size_ * grain;
    return {begin < size ? begin : size, end < size ? end : size};
  }

 private:
  void help(int rank);
  void do_share(int rank);

  int size_;
  const std::function<void(int)>* work_ = nullptr;
  std::vector<std::exception_ptr> errors_;
  std::atomic<unsigned> round_{0}, busy_{0};
  bool over_ = false;
  std::vector<std::thread> helpers_;
};

// The process's team, as large as at::get_num_threads() says at the moment; a change makes a new
// one. Only for the thread that calls run().
Team& team();

}  // namespace gpt
