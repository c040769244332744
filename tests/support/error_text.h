// The text of the Kind of error that `run` throws, which must be one line; "" if it throws none.
#pragma once

#include <string>

#include <gtest/gtest.h>

#include "gpt/base/error.h"

namespace gpt::testing {

template <class Kind = Error>
std::string error_text(const auto& run) {
  try {
    run();
  } catch (const Kind& error) {
    const std::string text = error.what();
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
    return text;
  }
  return "";
}

}  // namespace gpt::testing
