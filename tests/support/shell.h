// The program as a shell starts it: with its streams and limits as a script sets them.
#pragma once

#include <cstdlib>
#include <string>
#include <sys/wait.h>
#include <vector>

#include "gpt/base/files.h"

#include "support/child.h"

namespace gpt::testing {

// Runs `script` in `dir`, where $GPT is the program; code 124 if it takes longer than a minute.
inline Finished shell(const TempDir& dir, const std::string& script) {
  dir.write("script.sh", script);
  const std::string command = "cd '" + dir.path().string() + "' && GPT='" + GPT_PROGRAM +
                              "' timeout 60 bash script.sh >shell.out 2>shell.err";
  const int status = std::system(command.c_str());
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return {code > 128 ? 128 - code : code, read_file(dir / "shell.out"),
          read_file(dir / "shell.err")};
}

// As one line of a script.
inline std::string words(const std::vector<std::string>& arguments) {
  std::string line = "\"$GPT\"";
  for (const std::string& argument : arguments) line += " '" + argument + "'";
  return line;
}

}  // namespace gpt::testing
