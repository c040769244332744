// Where the system tells of itself: /proc, /sys, /dev. Tests look at a folder of their own instead.
#pragma once

#include <filesystem>
#include <string>

namespace gpt {

struct SystemRoot {
  std::filesystem::path folder = "/";

  // "proc/meminfo", or "/proc/meminfo" as mounts and control groups have it.
  std::filesystem::path operator/(const std::string& path) const {
    return folder / std::filesystem::path(path).relative_path();
  }
};

// "" where there is no such file.
std::string first_line(const std::filesystem::path& file);

// Is this Linux one in Windows (WSL2)?
bool in_wsl(const SystemRoot& root = {});

// In a container that holds the program with its own libraries (Docker, Podman, Singularity)?
bool in_container(const SystemRoot& root = {});

}  // namespace gpt
