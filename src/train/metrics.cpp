#include "gpt/train/metrics.h"

#include <chrono>
#include <cmath>

#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/log.h"

namespace gpt {

void Metrics::write(std::string_view event, const std::vector<Entry>& entries) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  nlohmann::ordered_json line;
  line["event"] = event;
  line["time"] =
      static_cast<double>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count()) / 1e3;
  for (const auto& [key, value] : entries)
    std::visit([&, name = key](const auto& v) { line[std::string(name)] = v; }, value);
  try {
    file_.write(line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  } catch (const IoError& error) {
    if (!failed_) log_warning(std::string(error.what()) + "; training goes on, metrics are lost");
    failed_ = true;
  }
}

}  // namespace gpt
