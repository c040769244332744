// The order in which windows are trained on, where no generator draws them: a function of the seed
// and of how many each source has given so far. So a run may be resumed, its batches made larger or
// dealt to other processes, and it continues with the same windows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gpt {

// block_size tokens and the one after them.
struct Window {
  std::int64_t source = 0, offset = 0;
  bool operator==(const Window&) const = default;
};

class WindowOrder {
 public:
  struct Source {
    std::int64_t tokens = 0;  // more than block_size
    double share = 1;         // of the sequences; all add up to 1
  };
  using Counts = std::vector<std::int64_t>;  // windows of each source

  // `data_order`: see DataConfig.
  WindowOrder(const std::string& data_order, std::int64_t seed, std::int64_t block_size,
              std::vector<Source> sources);

  // The window after those that were taken, which counts it. Each sequence comes from a source
  // that seed and number of the sequence choose. Then, of its source's windows:
  //   random: any, chosen by the seed and how many were taken;
  //   shuffle: in each epoch every one once, in an order of that epoch's. Windows lie side by side,
  //     from a place within block_size that is the epoch's too, so that their borders move;
  //   sequential: one after the other from the start, and again.
  Window next(Counts& taken) const;

  // The source that a fraction, from 0 to 1, stands for when all of them have their shares of it.
  std::size_t source_at(double fraction) const;

  std::int64_t windows_per_epoch(std::size_t source) const;

  // After so many tokens of a source an epoch is over; with random, which has none, after as many
  // as there are.
  std::int64_t tokens_per_epoch(std::size_t source) const;

 private:
  enum class Kind { kRandom, kShuffle, kSequential };

  std::size_t source_of(std::int64_t sequence) const;
  std::int64_t offset_of(std::size_t source, std::int64_t taken) const;
  std::int64_t shuffled_offset(std::size_t source, std::int64_t taken) const;

  Kind kind_;
  std::int64_t seed_, block_size_;
  std::vector<Source> sources_;
};

}  // namespace gpt
