#include "app/plan_length.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/metrics/line_plot.h"
#include "gpt/optim/schedule.h"
#include "gpt/train/run_length.h"

namespace gpt {

namespace {

// Nobody has trained on more.
constexpr double kMostPlanned = 1e18;

std::string short_count(double count) {
  static constexpr std::pair<double, const char*> kUnits[] = {
      {1e12, "T"}, {1e9, "B"}, {1e6, "M"}, {1e3, "K"}};
  for (const auto& [unit, name] : kUnits)
    if (count >= unit) return format("%.4g%s", count / unit, name);
  return format("%.0f", count);
}

std::string duration(double seconds) {
  constexpr double kDay = 86400;
  return seconds < 2 * kDay ? human_seconds(seconds) : format("%.1f days", seconds / kDay);
}

struct Length {
  double iterations, tokens, seconds;
};

// Of the config's run, or of so many tokens.
Length length_of(const TrainConfig& config, double step_seconds, std::int64_t tokens) {
  const auto step = static_cast<double>(tokens_per_step(config.data));
  const double iterations = tokens > 0 ? std::ceil(static_cast<double>(tokens) / step)
                                       : static_cast<double>(config.optimizer.max_iters) + 1;
  return {iterations, iterations * step, iterations * step_seconds};
}

std::string length_line(const TrainConfig& config, const Length& length) {
  return format("%.0f iterations of %s tokens are %s tokens: %s by the time model\n",
                length.iterations, with_commas(tokens_per_step(config.data)).c_str(),
                short_count(length.tokens).c_str(), duration(length.seconds).c_str());
}

// At most so many points, evenly spread over the run.
Series rates(const TrainConfig& config) {
  constexpr std::int64_t kPoints = 1000;
  Series series(kPoints);
  const std::int64_t last = config.optimizer.max_iters, points = std::min(last + 1, kPoints);
  for (std::int64_t i = 0; i < points; ++i) {
    const std::int64_t iteration =
        points == 1 ? 0
                    : static_cast<std::int64_t>(static_cast<double>(last) * static_cast<double>(i) /
                                                static_cast<double>(points - 1));
    series.add({.iter = iteration,
                .value = learning_rate_at(iteration, config.optimizer, config.schedule)});
  }
  return series;
}

}  // namespace

std::int64_t token_count(const std::string& text, const std::string& origin) {
  std::string digits = text;
  digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
  double number = 0;
  const char* const end = digits.data() + digits.size();
  const auto [rest, error] = std::from_chars(digits.data(), end, number);
  double unit = rest == end ? 1 : 0;
  if (rest + 1 == end)
    for (const auto& [name, size] :
         {std::pair('k', 1e3), {'m', 1e6}, {'b', 1e9}, {'g', 1e9}, {'t', 1e12}})
      if (std::tolower(static_cast<unsigned char>(*rest)) == name) unit = size;
  if (error != std::errc() || unit == 0 || !(number * unit >= 1 && number * unit <= kMostPlanned))
    throw InputError(concat(origin, ": tokens: wanted a number of tokens such as 10B, 300M or ",
                            "1_000_000, got ", text));
  return static_cast<std::int64_t>(number * unit);
}

std::string length_text(const TrainConfig& config, double step_seconds, std::int64_t tokens) {
  constexpr std::size_t kWidth = 72, kHeight = 6;
  TerminalStyle style = style_of_stdout();
  style.width = std::min(style.width, kWidth);
  const Series series = rates(config);
  std::string text =
      "learning rate: " + schedule_text(config.optimizer, config.schedule) + "\n" +
      line_plot({{.series = &series, .name = "lr", .mark = '*', .colour = 1}}, style, kHeight) +
      length_line(config, length_of(config, step_seconds, 0));
  if (tokens > 0) text += length_line(config, length_of(config, step_seconds, tokens));
  return text;
}

nlohmann::ordered_json length_json(const TrainConfig& config, double step_seconds,
                                   std::int64_t tokens) {
  const Length length = length_of(config, step_seconds, tokens);
  return {{"schedule", schedule_text(config.optimizer, config.schedule)},
          {"iterations", length.iterations},
          {"tokens", length.tokens},
          {"seconds", length.seconds}};
}

}  // namespace gpt
