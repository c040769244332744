// The names under which TensorBoard, W&B and the report show what the events of a run hold.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gpt/metrics/metrics_sink.h"

namespace gpt {

// The numbers of an event by name. nanoGPT's five keep its names and meanings: iter, train/loss and
// val/loss (estimates of an evaluation), lr, mfu. The loss of a step's own batch is
// train/batch_loss; memory is memory/*, tasks are eval/*, statistics by layer stats/*.
std::vector<std::pair<std::string, double>> named_numbers(
    std::string_view event, const std::vector<MetricsSink::Entry>& entries);

// One of these names, of the value `key` of an event; "" for what is shown nowhere. Of `memory` it
// depends on the other values, of all other events on the two names alone.
std::string shown_name(std::string_view event, std::string_view key,
                       const std::vector<MetricsSink::Entry>& entries);
// The number of it; nothing for texts, iter, and what is not known yet.
std::optional<double> shown_number(std::string_view key, const MetricsSink::Value& value);

// What an event says in words, to be shown at its iteration; "" if it only holds numbers.
std::string event_text(std::string_view event, const std::vector<MetricsSink::Entry>& entries);

// A name is letters, digits and -_./ (other characters become _), and at most 200 bytes.
std::string metric_name(std::string_view text);

}  // namespace gpt
