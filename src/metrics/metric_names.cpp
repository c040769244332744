#include "gpt/metrics/metric_names.h"

#include <algorithm>
#include <utility>

#include "gpt/base/strings.h"

namespace gpt {

namespace {

const MetricsSink::Value* find(const std::vector<MetricsSink::Entry>& entries,
                               std::string_view key) {
  for (const auto& [name, value] : entries)
    if (name == key) return &value;
  return nullptr;
}

std::string text_of(const std::vector<MetricsSink::Entry>& entries, std::string_view key) {
  const MetricsSink::Value* value = find(entries, key);
  const auto* text = value ? std::get_if<std::string>(value) : nullptr;
  return text ? *text : "";
}

// "" for what is no measurement.
std::string name_in_training(std::string_view key) {
  if (key == "loss") return "";  // of the last micro-batch; mean_loss is the whole batch's
  if (key == "mean_loss") return "train/batch_loss";
  if (key == "lr" || key == "mfu") return std::string(key);
  if (key.ends_with("_mib")) return concat("memory/", key);
  return concat("train/", key);
}

std::string name_in(std::string_view event, std::string_view key,
                    const std::vector<MetricsSink::Entry>& entries) {
  if (event == "train") return name_in_training(key);
  if (event == "memory") return concat("memory/", key, "/", text_of(entries, "of"));
  if (event == "eval")
    return key == "best"                             ? ""
           : key.find('/') == std::string_view::npos ? concat("eval/", key)
                                                     : std::string(key);
  if (event == "task") return concat("eval/", key);
  if (event == "stats") return concat("stats/", key);
  if (event == "end" && key == "best_val_loss") return "";
  return concat(event, "/", key);
}

}  // namespace

std::string metric_name(std::string_view text) {
  constexpr std::size_t kLongest = 200;
  std::string name(text.substr(0, kLongest));
  std::replace_if(
      name.begin(), name.end(),
      [](char c) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        return !letter && !(c >= '0' && c <= '9') &&
               std::string_view("-_./").find(c) == std::string_view::npos;
      },
      '_');
  return name;
}

std::vector<std::pair<std::string, double>> named_numbers(
    std::string_view event, const std::vector<MetricsSink::Entry>& entries) {
  std::vector<std::pair<std::string, double>> named;
  for (const auto& [key, value] : entries) {
    const auto number = shown_number(key, value);
    if (!number) continue;
    std::string name = shown_name(event, key, entries);
    if (!name.empty()) named.emplace_back(std::move(name), *number);
  }
  return named;
}

std::string shown_name(std::string_view event, std::string_view key,
                       const std::vector<MetricsSink::Entry>& entries) {
  return metric_name(name_in(event, key, entries));
}

std::optional<double> shown_number(std::string_view key, const MetricsSink::Value& value) {
  if (key == "iter" || std::holds_alternative<std::string>(value)) return std::nullopt;
  const auto* whole = std::get_if<std::int64_t>(&value);
  const double number = whole ? static_cast<double>(*whole) : std::get<double>(value);
  if (key == "mfu" && number == 0) return std::nullopt;  // not known in the first steps
  return number;
}

std::string event_text(std::string_view event, const std::vector<MetricsSink::Entry>& entries) {
  if (event == "probe") {
    std::vector<std::string> parts;
    for (const auto& [key, value] : entries)
      if (const auto* text = std::get_if<std::string>(&value)) parts.push_back(*text);
    return join(parts, ", ");
  }
  if (event == "sample") return text_of(entries, "text");
  return text_of(entries, "reason");
}

}  // namespace gpt
