// What a process that is no more has left.
#pragma once

#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include "gpt/base/files.h"
#include "gpt/base/temporary_name.h"

namespace gpt::testing {

// A temporary name next to `path` as a process made it that has ended since.
inline fs::path name_of_gone(const fs::path& path, TemporaryKind kind = TemporaryKind::kFresh) {
  int ends[2];
  if (pipe(ends) != 0) return {};
  const pid_t child = fork();
  if (child == 0) {
    const std::string name = temporary_beside(path, kind).string();
    _exit(write(ends[1], name.data(), name.size()) < 0 ? 1 : 0);
  }
  close(ends[1]);
  std::string name;
  char bytes[4096];
  for (ssize_t got; (got = read(ends[0], bytes, sizeof bytes)) > 0;)
    name.append(bytes, static_cast<std::size_t>(got));
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return name;
}

// The same, of another machine.
inline fs::path name_from_elsewhere(const fs::path& path,
                                    TemporaryKind kind = TemporaryKind::kFresh) {
  std::string name = name_of_gone(path, kind).string();
  const auto machine = name.rfind('-', name.rfind('-', name.rfind('-') - 1) - 1) - 8;
  for (std::size_t i = machine; i < machine + 8; ++i) name[i] = name[i] == '0' ? '1' : '0';
  return name;
}

}  // namespace gpt::testing
