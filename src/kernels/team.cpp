#include "gpt/kernels/team.h"

#include <atomic>
#include <cstdlib>
#include <memory>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "gpt/kernels/parallel.h"
#include "gpt/kernels/product.h"

namespace gpt {

namespace {

// With OMP_DYNAMIC a later team may be smaller than the one that was tried out.
bool threads_may_go() {
  const char* dynamic = std::getenv("OMP_DYNAMIC");
  return dynamic && (dynamic[0] == 't' || dynamic[0] == 'T');
}

}  // namespace

Team::Team(int size)
    : size_(size),
      bytes_(static_cast<std::size_t>(size)),
      ranks_(at::from_blob(bytes_.data(), {size}, at::kByte)) {
  // Ranks meet at barriers, so each needs a thread: there are fewer within another parallel region
  // or under OMP_THREAD_LIMIT.
  std::atomic<int> calls{0};
  spread([&](int, int) { ++calls; });
  if (calls != size || threads_may_go()) size_ = 1;
  errors_.resize(static_cast<std::size_t>(size_));
}

void Team::spread(const std::function<void(int, int)>& work) const {
  if (size_ == 1) return work(0, 1);
  parallel_ranges(ranks_, /*grain=*/1, [&](std::int64_t first, std::int64_t last) {
    work(static_cast<int>(first), static_cast<int>(last));
  });
}

void Team::run(const std::function<void(int)>& work) {
  spread([&](int first, int last) {
    const LoneThread alone;
    for (int rank = first; rank < last; ++rank) {
      try {
        work(rank);
      } catch (...) {
        errors_[static_cast<std::size_t>(rank)] = std::current_exception();
      }
    }
  });
  for (std::exception_ptr& error : errors_)
    if (const auto thrown = std::exchange(error, nullptr)) std::rethrow_exception(thrown);
}

Team& team() {
  static std::unique_ptr<Team> current;
  static int wanted = 0;
  const int size = at::get_num_threads();
  if (!current || wanted != size) current = std::make_unique<Team>(wanted = size);
  return *current;
}

}  // namespace gpt
