#include "gpt/kernels/team.h"

#include <atomic>
#include <cstdlib>
#include <memory>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/TensorIterator.h>

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

// LibTorch's loop over a tensor's elements is compiled with OpenMP; what it hands out are
// addresses, from which the ranks follow.
void Team::spread(const std::function<void(int, int)>& work) const {
  if (size_ == 1) return work(0, 1);
  const auto* base = static_cast<const char*>(ranks_.const_data_ptr());
  at::Tensor ranks = ranks_;
  at::TensorIterator iterator = at::TensorIterator::nullary_op(ranks);
  iterator.for_each(
      [&](char** data, const std::int64_t*, std::int64_t count, std::int64_t steps) {
        const auto first = static_cast<int>(data[0] - base);
        work(first, first + static_cast<int>(count * steps));
      },
      /*grain_size=*/1);
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
