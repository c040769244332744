// Parse, run, catch.
#include <new>
#include <string>
#include <vector>

#include <c10/util/Exception.h>

#include "gpt/base/error.h"
#include "gpt/base/log.h"

#include "app/verbs.h"

int main(int argc, char** argv) {
  try {
    return gpt::run_program({argv + 1, argv + argc});
  } catch (const gpt::Error& error) {
    gpt::log_error(error.what());
    return error.exit_code();
  } catch (const c10::OutOfMemoryError& error) {
    gpt::log_error(std::string("out of memory: ") + error.what_without_backtrace() +
                   "; a smaller micro_batch_size or head_chunk gives the same numbers");
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    const bool memory = text.find("allocate memory") != text.npos;  // the CPU's allocator
    gpt::log_error(
        "LibTorch: " + text +
        (memory ? "; a smaller micro_batch_size or head_chunk gives the same numbers" : ""));
  } catch (const std::bad_alloc&) {
    gpt::log_error(
        "out of memory; a smaller micro_batch_size or head_chunk gives the same numbers");
  } catch (const std::exception& error) {
    gpt::log_error(error.what());
  }
  return gpt::kExitFailure;
}
