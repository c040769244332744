#include "gpt/base/system_root.h"

#include <algorithm>
#include <cctype>
#include <fstream>

namespace gpt {

std::string first_line(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

bool in_wsl(const SystemRoot& root) {
  std::string release = first_line(root / "proc/sys/kernel/osrelease");  // "...-microsoft-standard"
  std::transform(release.begin(), release.end(), release.begin(),
                 [](unsigned char letter) { return std::tolower(letter); });
  return release.find("microsoft") != std::string::npos;
}

bool in_container(const SystemRoot& root) {
  std::error_code ignored;
  for (const char* sign : {".dockerenv", "run/.containerenv", ".singularity.d"})
    if (std::filesystem::exists(root / sign, ignored)) return true;
  std::ifstream groups(root / "proc/1/cgroup");
  for (std::string line; std::getline(groups, line);)
    for (const char* sign : {"docker", "kubepods", "libpod", "lxc"})
      if (line.find(sign) != std::string::npos) return true;
  return false;
}

}  // namespace gpt
