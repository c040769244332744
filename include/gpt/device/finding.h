// What is found out about a machine or a run, and what to do next.
#pragma once

#include <string>

namespace gpt {

struct Finding {
  enum Level { kProblem, kWarning, kNote };
  Level level = kNote;
  std::string what;
  std::string next;  // the thing to do; "" if there is nothing to do
  bool operator==(const Finding&) const = default;
};

}  // namespace gpt
