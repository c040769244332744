// Where the events of a run are recorded. metrics.jsonl is the first; whoever adds a logger
// implements this and gives it to Run.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace gpt {

class MetricsSink {
 public:
  using Value = std::variant<double, std::int64_t, std::string>;
  using Entry = std::pair<std::string_view, Value>;

  virtual ~MetricsSink() = default;

  // One event: "train" with loss, lr, ... (src/train/report.cpp names them all). A sink that fails
  // warns; it never ends a run.
  virtual void write(std::string_view event, const std::vector<Entry>& entries) = 0;
};

// Of a process that records nothing.
class NoMetrics : public MetricsSink {
 public:
  void write(std::string_view /*event*/, const std::vector<Entry>& /*entries*/) override {}
};

}  // namespace gpt
