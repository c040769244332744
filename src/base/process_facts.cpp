#include "gpt/base/process_facts.h"

#include <fstream>
#include <iterator>
#include <sstream>

#include "gpt/base/strings.h"

namespace gpt {

// "PROCESS (name) state parent ..."; the name may hold anything, parentheses and newlines too.
std::optional<ProcessFacts> process_facts(long process) {
  std::ifstream file(concat("/proc/", process, "/stat"));
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const auto open = text.find('('), close = text.rfind(')');
  if (open == std::string::npos || close == std::string::npos) return std::nullopt;
  ProcessFacts facts{.name = text.substr(open + 1, close - open - 1)};
  std::istringstream fields(text.substr(close + 1));
  std::string state, skipped;
  fields >> state >> facts.parent;
  facts.ended = state == "Z" || state == "X";
  constexpr int kParent = 4, kStart = 22;  // as proc(5) counts the fields
  for (int field = kParent + 1; field < kStart; ++field) fields >> skipped;
  fields >> facts.start;
  return facts;
}

}  // namespace gpt
