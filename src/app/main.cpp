// Parse, run, catch.
#include <string>
#include <vector>

#include <c10/util/Exception.h>

#include "gpt/base/error.h"
#include "gpt/base/log.h"
#include "gpt/kernels/device_memory.h"

#include "app/verbs.h"

namespace {

std::string said(const std::exception& error) {
  const auto* torch = dynamic_cast<const c10::Error*>(&error);
  const std::string text = torch ? torch->what_without_backtrace() : error.what();
  if (gpt::is_out_of_memory(error))
    return "out of memory: " + text +
           "; `gpttrain plan` shows what fits, `gpttrain doctor` what holds the memory";
  return torch ? "LibTorch: " + text : text;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return gpt::run_program({argv + 1, argv + argc});
  } catch (const gpt::Error& error) {
    gpt::log_error(error.what());
    return error.exit_code();
  } catch (const std::exception& error) {
    gpt::log_error(said(error));
  }
  return gpt::kExitFailure;
}
