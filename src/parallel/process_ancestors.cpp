#include "process_ancestors.h"

#include <unistd.h>

#include "gpt/base/process_facts.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

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
