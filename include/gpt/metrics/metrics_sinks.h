// Several sinks as one.
#pragma once

#include <string_view>
#include <vector>

#include "gpt/metrics/metrics_sink.h"

namespace gpt {

class MetricsSinks : public MetricsSink {
 public:
  // `sink` must outlive this; it gets every event after those that were added before it.
  void add(MetricsSink& sink) { sinks_.push_back(&sink); }

  void write(std::string_view event, const std::vector<Entry>& entries) override {
    for (MetricsSink* sink : sinks_) sink->write(event, entries);
  }

 private:
  std::vector<MetricsSink*> sinks_;
};

}  // namespace gpt
