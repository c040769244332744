// Threads that work on one group of sequences, as one of them sees it.
#pragma once

#include <cstdint>

#include "meeting_point.h"

namespace gpt {

struct Crew {
  int rank = 0, size = 1;
  MeetingPoint* place = nullptr;

  void meet() const {
    if (size > 1) place->meet();
  }
  struct Share {
    std::int64_t begin, end;
    std::int64_t size() const { return end - begin; }
  };
  // This thread's share of `count` things.
  Share share(std::int64_t count) const { return {count * rank / size, count * (rank + 1) / size}; }
};

}  // namespace gpt
