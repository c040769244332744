// Parse, run, catch.
#include <stdlib.h>
#include <string>
#include <vector>

#include <c10/util/Exception.h>

#include "gpt/base/closed_output.h"
#include "gpt/base/error.h"
#include "gpt/base/log.h"
#include "gpt/base/process.h"
#include "gpt/base/signal.h"
#include "gpt/device/memory.h"

#include "app/commands.h"

namespace {

// LibTorch's initialisers run before main and take half a second, in which a stop signal would end
// the program without a word, and may open files; this runs before them.
void begin() {
  gpt::begin_process();
  gpt::hold_stop_signals();
  gpt::require_process_limits();
}
[[gnu::used, gnu::section(".preinit_array")]] void (*const kBeforeLibraries)() = begin;

std::string said(const std::exception& error) {
  const auto* torch = dynamic_cast<const c10::Error*>(&error);
  const std::string text = torch ? torch->what_without_backtrace() : error.what();
  if (gpt::is_out_of_memory(error))
    return "out of memory: " + text +
           "; `gpttrain plan` shows what fits, `gpttrain doctor` what holds the memory" +
           gpt::address_space_note();
  return torch ? "LibTorch: " + text : text;
}

}  // namespace

int main(int argc, char** argv) {
  // Steps and above all decoding read memory beyond what small pages' addresses are kept for. Read
  // by LibTorch at its first allocation; no effect where the kernel has large pages off.
  setenv("THP_MEM_ALLOC_ENABLE", "1", /*overwrite=*/0);
  try {
    const gpt::ExitCode code = gpt::run_program({argv + 1, argv + argc});
    gpt::hold_stop_signals();  // all is done: one that comes while libraries close changes nothing
    return code;
  } catch (const gpt::ClosedOutput&) {
    return gpt::kExitDone;
  } catch (const gpt::Error& error) {
    gpt::log_error(error.what());
    return error.exit_code();
  } catch (const std::exception& error) {
    gpt::log_error(said(error));
  }
  return gpt::kExitFailure;
}
