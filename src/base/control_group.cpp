#include "gpt/base/control_group.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

namespace gpt {

namespace {

// A tree of groups: version 2 has one of all controllers, version 1 one a controller.
struct Tree {
  bool second = false;  // version 2
  std::string top;      // of the tree, the group that is mounted
  std::string folder;   // where
};

// In a list such as "rw,cpu,cpuacct".
bool lists(const std::string& names, const std::string& name) {
  return ("," + names + ",").find("," + name + ",") != std::string::npos;
}

// mountinfo writes a space as \040.
std::string unescaped(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      plain += static_cast<char>(std::strtol(text.substr(i + 1, 3).c_str(), nullptr, 8));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// Lines "36 35 98:0 TOP FOLDER OPTIONS ... - TYPE SOURCE SUPER_OPTIONS", see proc(5).
std::vector<Tree> trees_of(const SystemRoot& root, const std::string& controller) {
  std::vector<Tree> trees;
  std::ifstream mounts(root / "proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    const auto dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    std::istringstream before(line), after(line.substr(dash + 3));
    std::string skipped, top, folder, type, source, options;
    before >> skipped >> skipped >> skipped >> top >> folder;
    after >> type >> source >> options;
    if (type == "cgroup2" || (type == "cgroup" && lists(options, controller)))
      trees.push_back({type == "cgroup2", unescaped(top), unescaped(folder)});
  }
  return trees;
}

// Lines "4:memory:/path", and "0::/path" of version 2.
std::string own_group(const SystemRoot& root, const Tree& tree, const std::string& controller) {
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string names = line.substr(first + 1, second - first - 1);
    if (tree.second ? names.empty() : lists(names, controller)) return line.substr(second + 1);
  }
  return "/";
}

// Calls `visit(tree, group, folder)` for this process's group and each above it that can be seen:
// what a container mounts as the top may have others above.
template <class Visit>
void for_each_group(const SystemRoot& root, const std::string& controller, const Visit& visit) {
  namespace fs = std::filesystem;
  for (const Tree& tree : trees_of(root, controller)) {
    const std::string group = own_group(root, tree, controller);
    const std::string top = tree.top == "/" ? "" : tree.top;
    // A namespace of control groups shows a path that is not below what is mounted: the top is it.
    const bool below = group.starts_with(top) && group.find("/..") == std::string::npos;
    fs::path inside = below ? fs::path(group.substr(top.size())).relative_path() : fs::path();
    while (true) {
      const fs::path end = inside.empty() ? fs::path() : "/" / inside;
      const std::string name = top + end.string();
      visit(tree, name.empty() ? "/" : name, root / tree.folder / inside);
      if (inside.empty()) break;
      inside = inside.parent_path();
    }
  }
}

std::optional<std::uint64_t> number(const std::string& text) {
  constexpr std::uint64_t kNoLimit = std::uint64_t{1}
                                     << 60;  // how version 1 says that there is none
  if (text.empty() || text[0] < '0' || text[0] > '9') return std::nullopt;  // "max", "-1"
  const std::uint64_t value = std::strtoull(text.c_str(), nullptr, 10);
  return value < kNoLimit ? std::optional(value) : std::nullopt;
}

std::map<std::string, std::uint64_t> statistics(const std::filesystem::path& file) {
  std::map<std::string, std::uint64_t> values;
  std::ifstream in(file);
  std::string name;
  for (std::uint64_t value = 0; in >> name >> value;) values[name] = value;
  return values;
}

void lower(std::optional<std::uint64_t>& limit, std::optional<std::uint64_t> other) {
  if (other && (!limit || *other < *limit)) limit = other;
}

}  // namespace

std::vector<GroupMemory> group_memory(const SystemRoot& root) {
  std::vector<GroupMemory> found;
  for_each_group(
      root, "memory",
      [&](const Tree& tree, const std::string& group, const std::filesystem::path& folder) {
        std::optional<std::uint64_t> limit =
            number(first_line(folder / (tree.second ? "memory.max" : "memory.limit_in_bytes")));
        auto statistic = statistics(folder / "memory.stat");
        // Beyond memory.high a group is slowed down until nothing moves. Version 1 also tells of
        // groups above that cannot be seen.
        if (tree.second)
          lower(limit, number(first_line(folder / "memory.high")));
        else
          lower(limit, number(std::to_string(statistic["hierarchical_memory_limit"])));
        if (!limit || *limit == 0) return;
        const std::uint64_t use =
            number(first_line(folder / (tree.second ? "memory.current" : "memory.usage_in_bytes")))
                .value_or(0);
        // What is mapped of files is this program's code and the like, which it would read again.
        const std::string prefix = tree.second ? "" : "total_";
        const std::uint64_t cache =
            statistic[prefix + "inactive_file"] + statistic[prefix + "active_file"];
        const std::uint64_t mapped = statistic[tree.second ? "file_mapped" : "total_mapped_file"];
        const std::uint64_t spare = cache - std::min(cache, mapped);
        found.push_back({group, *limit, use - std::min(use, spare)});
      });
  return found;
}

std::vector<GroupCpus> group_cpus(const SystemRoot& root) {
  std::vector<GroupCpus> found;
  for_each_group(
      root, "cpu",
      [&](const Tree& tree, const std::string& group, const std::filesystem::path& folder) {
        std::string quota, period;
        if (tree.second)
          std::istringstream(first_line(folder / "cpu.max")) >> quota >> period;
        else
          quota = first_line(folder / "cpu.cfs_quota_us"),
          period = first_line(folder / "cpu.cfs_period_us");
        const auto of = number(quota), every = number(period);
        if (of && every && *every > 0)
          found.push_back({group, static_cast<double>(*of) / static_cast<double>(*every)});
      });
  return found;
}

}  // namespace gpt
