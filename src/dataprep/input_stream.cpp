#include "gpt/dataprep/input_stream.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <thread>
#include <unistd.h>

#include "gpt/base/child_process.h"
#include "gpt/base/error.h"
#include "gpt/base/input_file.h"
#include "gpt/base/programs.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace fs = std::filesystem;

namespace {

constexpr int kPatienceMs = 100;

// Next to the program in its build folder, or where an installation puts it.
fs::path parquet_script(const SourceFile& file) {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const char* place : {"scripts", "../scripts", "../../scripts", "../share/gpttrain"}) {
    const fs::path script = (program / place / "parquet_text.py").lexically_normal();
    if (script.is_absolute() && fs::is_regular_file(script, error)) return script;
  }
  throw InputError(
      concat(file.path.string(), ": parquet_text.py is needed to read it and is ",
             "neither in scripts/ of gpttrain's sources nor in share/gpttrain next to ",
             program.string()));
}

// The absolute path of a program that reads `file`.
std::string program_for(const SourceFile& file, const std::string& name) {
  if (const auto found = find_program(name)) return found->string();
  throw InputError(concat(file.path.string(), ": ", name,
                          " is needed to read it and is not installed; apt-get install ", name));
}

std::string python_for(const SourceFile& file) {
  const char* chosen = std::getenv("GPTTRAIN_PYTHON");
  if (!chosen || !*chosen) return program_for(file, "python3");
  if (const auto found = find_program(chosen)) return found->string();
  throw InputError(concat(file.path.string(), ": GPTTRAIN_PYTHON=", chosen,
                          " is no program; expected a Python that has pyarrow"));
}

std::vector<std::string> command_for(const SourceFile& file, const std::string& text_key) {
  if (file.packing == Packing::kGzip) return {program_for(file, "gzip"), "-dc"};
  if (file.packing == Packing::kZstd) return {program_for(file, "zstd"), "-dc"};
  return {python_for(file), parquet_script(file).string(), text_key};
}

}  // namespace

InputStream::InputStream(const SourceFile& file, const std::string& text_key) : file_(file) {
  descriptor_ = file.path == "-" ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                 : InputFile(file.path, Streams::kHandedOver).release();
  if (descriptor_ < 0) throw InputError(IoError(file.name(), "open", errno).what());
  try {
    if (file.packing != Packing::kNone && file.packing != Packing::kStdin)
      unpack_ = std::make_unique<ChildProcess>(command_for(file, text_key), descriptor_);
  } catch (...) {
    close(descriptor_);
    throw;
  }
}

InputStream::~InputStream() {
  close(descriptor_);
}

// Pipes may be silent for long; a stop must not wait for them.
bool InputStream::wait_for_input(const std::stop_token& stop) const {
  if (file_.packing == Packing::kNone) return !stop.stop_requested();
  pollfd wanted{.fd = unpack_ ? unpack_->output() : descriptor_, .events = POLLIN, .revents = 0};
  while (!stop.stop_requested())
    if (poll(&wanted, 1, kPatienceMs) > 0) return true;
  return false;
}

std::size_t InputStream::read(char* to, std::size_t size, const std::stop_token& stop) {
  if (file_.packing == Packing::kNone) size = std::min<std::uint64_t>(size, file_.bytes - given_);
  if (size == 0 || !wait_for_input(stop)) return 0;
  ssize_t got;
  do {
    got = ::read(unpack_ ? unpack_->output() : descriptor_, to, size);
  } while (got < 0 && errno == EINTR);
  if (got < 0) throw InputError(IoError(file_.name(), "read", errno).what());
  if (got == 0) check_end(stop);
  given_ += static_cast<std::uint64_t>(got);
  return static_cast<std::size_t>(got);
}

void InputStream::check_end(const std::stop_token& stop) {
  if (file_.packing == Packing::kStdin) {
    // Ctrl-C ends the program that feeds us as well: this end may be no end, but the stop's
    // first sign.
    for (int i = 0; i < 3 && !stop.stop_requested(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(kPatienceMs));
  } else if (file_.packing == Packing::kNone) {
    SourceFiles::changed(file_);  // shorter than it was
  } else if (const std::string problem = unpack_->finish(); !problem.empty()) {
    throw InputError(concat(file_.name(), ": cannot be unpacked: ", problem,
                            "; what was prepared before it is kept"));
  }
}

std::uint64_t InputStream::consumed() const {
  if (!unpack_) return given_;
  const off_t at = lseek(descriptor_, 0, SEEK_CUR);  // the child reads through the same offset
  return at > 0 ? static_cast<std::uint64_t>(at) : 0;
}

}  // namespace gpt
