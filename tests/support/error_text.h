// The text of the gpt::Error that `run` throws; "" if it throws none.
#pragma once

#include <string>

#include "gpt/base/error.h"

namespace gpt::testing {

template <class Run>
std::string error_text(const Run& run) {
  try {
    run();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace gpt::testing
