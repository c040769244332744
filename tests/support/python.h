// Python as the judge of what we read and write: the machine's own, or the one with PyTorch that
// scripts/setup installs.
#pragma once

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <sys/wait.h>
#include <vector>

namespace gpt::testing {

struct PythonResult {
  int code = -1;
  std::string out;  // stdout and stderr
};

// `python script arguments...`; the script is a path from the root of the source tree.
inline PythonResult run_python(const std::string& python, const std::string& script,
                               const std::vector<std::string>& arguments) {
  const auto quoted = [](const std::string& text) { return " '" + text + "'"; };
  std::string command =
      python + " -B" + quoted((std::filesystem::path(GPT_SOURCE_DIR) / script).string());
  for (const std::string& argument : arguments) command += quoted(argument);
  PythonResult result;
  std::FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (!pipe) return result;
  std::array<char, 4096> chunk;
  for (std::size_t got = 0; (got = std::fread(chunk.data(), 1, chunk.size(), pipe)) > 0;)
    result.out.append(chunk.data(), got);
  const int status = pclose(pipe);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return result;
}

// The interpreter of the virtual environment `name` in the cache folder; "" if it is not there.
inline std::string venv_python(const std::string& name = "venv") {
  const char* cache = std::getenv("GPTTRAIN_CACHE");
  const char* xdg = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const std::filesystem::path folder =
      cache ? std::filesystem::path(cache)
      : xdg ? std::filesystem::path(xdg) / "gpttrain"
            : std::filesystem::path(home ? home : "/root") / ".cache/gpttrain";
  const std::filesystem::path python = folder / name / "bin/python";
  std::error_code ignored;
  return std::filesystem::exists(python, ignored) ? python.string() : "";
}

}  // namespace gpt::testing
