#include "parquet_source.h"

#include <cerrno>
#include <cstdlib>
#include <poll.h>
#include <unistd.h>
#include <utility>

#include "gpt/base/child_process.h"
#include "gpt/base/error.h"
#include "gpt/base/programs.h"
#include "gpt/base/strings.h"
#include "gpt/base/user_folders.h"

namespace gpt {

namespace fs = std::filesystem;

namespace {

constexpr int kPythonPatienceMs = 100;

// Next to the program in its build folder, or where an installation puts it.
fs::path parquet_script(const SourceFile& file) {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
  if (const auto script = installed_file("parquet_text.py")) return *script;
  for (const char* place : {"scripts", "../scripts", "../../scripts"}) {
    const fs::path script = (program / place / "parquet_text.py").lexically_normal();
    if (script.is_absolute() && fs::is_regular_file(script, error)) return script;
  }
  throw InputError(
      concat(file.path.string(), ": parquet_text.py is needed to read it and is ",
             "neither in scripts/ of gpttrain's sources nor in share/gpttrain next to ",
             program.string()));
}

// Of the Python to run.
std::string python_for(const SourceFile& file) {
  const char* chosen = std::getenv("GPTTRAIN_PYTHON");
  const bool any = !chosen || !*chosen;
  if (const auto found = find_program(any ? "python3" : chosen)) return found->string();
  throw InputError(
      any ? concat(file.path.string(),
                   ": python3 is needed to read it and is not installed; apt-get install python3")
          : concat(file.path.string(), ": GPTTRAIN_PYTHON=", chosen,
                   " is no program; expected a Python that has pyarrow"));
}

class ParquetSource : public ByteSource {
 public:
  ParquetSource(const SourceFile& file, int descriptor, StopCheck stop,
                const std::vector<std::string>& arguments)
      : name_(file.name()), stop_(std::move(stop)), program_(arguments, descriptor) {}

  bool stopped() const override { return stop_ && stop_(); }

 protected:
  std::size_t read_more(char* to, std::size_t size) override {
    pollfd wanted{.fd = program_.output(), .events = POLLIN, .revents = 0};
    while (!ended_ && !stopped()) {
      if (poll(&wanted, 1, kPythonPatienceMs) <= 0) continue;
      const ssize_t got = ::read(program_.output(), to, size);
      if (got > 0) return static_cast<std::size_t>(got);
      if (got == 0) finish();
      if (got < 0 && errno != EINTR) throw InputError(IoError(name_, "read", errno).what());
    }
    return 0;
  }

 private:
  void finish() {
    ended_ = true;
    const std::string problem = program_.finish();
    if (!problem.empty())
      throw InputError(concat(name_, ": cannot be unpacked: ", problem,
                              "; what was prepared before it is kept"));
  }

  const std::string name_;
  const StopCheck stop_;
  ChildProcess program_;
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<ByteSource> parquet_source(const SourceFile& file, int descriptor, StopCheck stop,
                                           const std::vector<std::string>& keys) {
  std::vector<std::string> arguments{python_for(file), parquet_script(file).string()};
  arguments.insert(arguments.end(), keys.begin(), keys.end());
  return std::make_unique<ParquetSource>(file, descriptor, std::move(stop), arguments);
}

}  // namespace gpt
