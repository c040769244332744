#include "gpt/kernels/team.h"

#include <ATen/Parallel.h>

#include "gpt/kernels/product.h"

namespace gpt {

namespace {

// A helper that has just finished is needed again within microseconds: it looks for work for a
// while before it sleeps, as a sleeping one takes 50 us to come.
constexpr int kLooks = 4000;

void wait_while(const std::atomic<unsigned>& value, unsigned old) {
  for (int look = 0; look < kLooks; ++look) {
    if (value.load(std::memory_order_acquire) != old) return;
    __builtin_ia32_pause();
  }
  value.wait(old, std::memory_order_acquire);
}

}  // namespace

Team::Team(int size) : size_(size), errors_(static_cast<std::size_t>(size)) {
  for (int rank = 1; rank < size; ++rank) helpers_.emplace_back([this, rank] { help(rank); });
}

Team::~Team() {
  over_ = true;
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

void Team::help(int rank) {
  const LoneThread alone;
  for (unsigned seen = 0;;) {
    wait_while(round_, seen);
    seen = round_.load(std::memory_order_acquire);
    if (over_) return;
    do_share(rank);
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
  }
}

void Team::do_share(int rank) {
  try {
    (*work_)(rank);
  } catch (...) {
    errors_[static_cast<std::size_t>(rank)] = std::current_exception();
  }
}

void Team::run(const std::function<void(int)>& work) {
  work_ = &work;
  busy_.store(static_cast<unsigned>(size_ - 1), std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  if (size_ > 1) round_.notify_all();
  {
    const LoneThread alone;
    do_share(0);
  }
  for (unsigned left; (left = busy_.load(std::memory_order_acquire)) != 0;) wait_while(busy_, left);
  for (std::exception_ptr& error : errors_)
    if (const auto thrown = std::exchange(error, nullptr)) std::rethrow_exception(thrown);
}

Team& team() {
  static std::unique_ptr<Team> current;
  const int size = at::get_num_threads();
  if (!current || current->size() != size) current = std::make_unique<Team>(size);
  return *current;
}

}  // namespace gpt
