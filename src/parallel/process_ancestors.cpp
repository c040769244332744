#include "process_ancestors.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <unistd.h>

#include "gpt/base/strings.h"

namespace gpt {

namespace {

struct ProcessFacts {
  std::string name;
  int parent = 0;
  std::string start;  // clock ticks since the machine's start
};

// The line of /proc/N/stat: "N (name) state parent ...", where a name may hold anything.
std::optional<ProcessFacts> process_facts(int process) {
  std::ifstream file(concat("/proc/", process, "/stat"));
  const std::string line((std::istreambuf_iterator<char>(file)), {});
  const std::size_t open = line.find('('), close = line.rfind(')');
  if (open == std::string::npos || close == std::string::npos) return std::nullopt;
  ProcessFacts facts;
  facts.name = line.substr(open + 1, close - open - 1);
  constexpr int kParent = 1, kStart = 19;  // fields after the name, from 0
  std::size_t at = close + 2;
  for (int field = 0; at < line.size() && field <= kStart; ++field) {
    const std::size_t end = std::min(line.find(' ', at), line.size());
    if (field == kParent) facts.parent = std::atoi(line.substr(at, end - at).c_str());
    if (field == kStart) facts.start = line.substr(at, end - at);
    at = end + 1;
  }
  return facts;
}

std::string key_of(int process, const ProcessFacts& facts) {
  return concat(process, "-", facts.start);
}

}  // namespace

std::string ancestor_key(const std::string& part) {
  const int parent = getppid();
  for (int process = parent; process > 1;) {
    const auto facts = process_facts(process);
    if (!facts) break;
    if (facts->name.find(part) != std::string::npos) return key_of(process, *facts);
    process = facts->parent;
  }
  return key_of(parent, process_facts(parent).value_or(ProcessFacts{}));
}

}  // namespace gpt
