// The settings of a run of nanoGPT's that was recorded in tests/golden.
#pragma once

#include "gpt/config/settings.h"

#include "support/tiny_config.h"

namespace gpt::testing {

// `golden` is such a file (nlohmann::json).
template <class Json>
TrainConfig golden_config(const TempDir& dir, const Json& golden) {
  TrainConfig config = tiny_config(dir);
  Settings settings(options_of(config));
  for (const auto& [key, value] : golden.at("settings").items()) {
    if (value.is_boolean()) settings.assign({key, value.template get<bool>(), "golden"});
    if (value.is_number_integer())
      settings.assign({key, value.template get<std::int64_t>(), "golden"});
    if (value.is_number_float()) settings.assign({key, value.template get<double>(), "golden"});
    if (value.is_string()) settings.assign({key, value.template get<std::string>(), "golden"});
  }
  return config;
}

}  // namespace gpt::testing
