#include "gpt/metrics/terminal_report.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"

#include "dot_canvas.h"

namespace gpt {

namespace {

constexpr std::size_t kLabels = 10;  // characters left of a plot

struct Curve {
  const Series* series;
  std::string name;
  char mark;
  int colour;
};

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
  // Where a value lies in it, from 0 to 1.
  double share(double value) const { return high > low ? (value - low) / (high - low) : 0.5; }
};

// Cut at a character's beginning; names are UTF-8.
std::string cut(std::string text, std::size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
  text.resize(most);
  return text;
}

std::string number(double value) {
  const double size = std::abs(value);
  if (size >= 1e6) return format("%.3gM", value / 1e6);
  if (size >= 1e4) return format("%.3gk", value / 1e3);
  return format(size != 0 && size < 1e-3 ? "%.2e" : "%.4g", value);
}

class Plot {
 public:
  Plot(const TerminalStyle& style, std::size_t height)
      : style_(style), canvas_(style.width - kLabels - 1, height, style.braille), height_(height) {}

  std::string draw(const std::vector<Curve>& curves) {
    for (const Curve& curve : curves)
      for (const Series::Bucket& bucket : curve.series->buckets()) {
        x_.add(static_cast<double>(bucket.low.iter));
        x_.add(static_cast<double>(bucket.high.iter));
      }
    // First what is seen: a column of dots shows the mean of its points.
    std::vector<std::vector<double>> columns;
    for (const Curve& curve : curves) columns.push_back(columns_of(*curve.series));
    for (const auto& values : columns)
      for (const double value : values)
        if (!std::isnan(value)) y_.add(value);
    if (y_.empty()) return "";
    for (std::size_t i = 0; i < curves.size(); ++i) trace(columns[i], curves[i]);
    std::string text;
    for (std::size_t row = 0; row < height_; ++row)
      text += label_of(row) + canvas_.row(row, style_.colour) + "\n";
    const std::string from = format("%.0f", x_.low), to = format("iter %.0f", x_.high);
    const std::size_t room = style_.width - kLabels - 1;
    return text + std::string(kLabels + 1, ' ') + from +
           std::string(room > from.size() + to.size() ? room - from.size() - to.size() : 1, ' ') +
           to + "\n";
  }

 private:
  double scaled(double value) const {
    return style_.logarithmic ? std::log(std::max(value, 1e-12)) : value;
  }

  std::vector<double> columns_of(const Series& series) const {
    std::vector<double> sums(canvas_.width(), 0), counts(canvas_.width(), 0);
    for (const Series::Bucket& bucket : series.buckets()) {
      const double share = x_.share(static_cast<double>(bucket.low.iter));
      const auto column =
          static_cast<std::size_t>(share * static_cast<double>(canvas_.width() - 1));
      sums[column] += bucket.sum;
      counts[column] += static_cast<double>(bucket.count);
    }
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] = scaled(sums[i] / counts[i]);
    return sums;
  }

  void trace(const std::vector<double>& values, const Curve& curve) {
    double last_x = -1, last_y = 0;
    for (std::size_t x = 0; x < values.size(); ++x) {
      if (std::isnan(values[x])) continue;
      const double y = (1 - y_.share(values[x])) * static_cast<double>(canvas_.height() - 1);
      const auto here = static_cast<double>(x);
      canvas_.line(last_x < 0 ? here : last_x, last_x < 0 ? y : last_y, here, y, curve.mark,
                   curve.colour);
      last_x = here;
      last_y = y;
    }
  }

  // The values at the upper and the lower end and in the middle.
  std::string label_of(std::size_t row) const {
    const bool labelled = row == 0 || row == height_ - 1 || row == height_ / 2;
    const double share = 1 - static_cast<double>(row) / static_cast<double>(height_ - 1);
    const double value = y_.low + share * (y_.high - y_.low);
    const std::string text = labelled ? number(style_.logarithmic ? std::exp(value) : value) : "";
    return format("%*s", static_cast<int>(kLabels - 1), text.c_str()) +
           (style_.braille ? "\u2502 " : "| ");
  }

  const TerminalStyle& style_;
  DotCanvas canvas_;
  std::size_t height_;
  Range x_, y_;
};

std::string painted(const std::string& text, int colour, const TerminalStyle& style) {
  if (!style.colour) return text;
  return format("\033[%dm", 31 + (colour + 5) % 6) + text + "\033[0m";
}

// A curve in one line.
std::string sparkline(const Series& series, std::size_t width, const TerminalStyle& style) {
  static const char* kBlocks[] = {"\u2581", "\u2582", "\u2583", "\u2584",
                                  "\u2585", "\u2586", "\u2587", "\u2588"};
  static const char* kMarks[] = {"_", "_", ".", ".", "-", "-", "^", "^"};
  const auto& buckets = series.buckets();
  width = std::min(width, buckets.size());
  std::vector<double> values;
  Range range;
  for (std::size_t i = 0; i < width; ++i) {
    double sum = 0, count = 0;
    for (std::size_t b = i * buckets.size() / width; b < (i + 1) * buckets.size() / width; ++b) {
      sum += buckets[b].sum;
      count += static_cast<double>(buckets[b].count);
    }
    values.push_back(sum / count);
    range.add(values.back());
  }
  std::string text;
  for (const double value : values) {
    const int level = std::clamp(static_cast<int>(range.share(value) * 7.99), 0, 7);
    text += style.braille ? kBlocks[level] : kMarks[level];
  }
  return text;
}

const Series* find(const RunData& run, const std::string& name) {
  const auto found = run.series.find(name);
  return found == run.series.end() || found->second.count() == 0 ? nullptr : &found->second;
}

std::vector<Curve> loss_curves(const std::vector<RunData>& runs) {
  static constexpr char kTrain[] = ".:,`;'", kVal[] = "ox+*#@";
  std::vector<Curve> curves;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const int colour = static_cast<int>(runs.size() > 1 ? i + 1 : 1);
    if (const Series* loss = find(runs[i], "train/batch_loss"))
      curves.push_back({loss, "batch loss", kTrain[i % 6], colour});
    if (const Series* loss = find(runs[i], "val/loss"))
      curves.push_back({loss, "val loss", kVal[i % 6], runs.size() > 1 ? colour : 2});
  }
  return curves;
}

std::string summary_of(const RunData& run, const TerminalStyle& style) {
  std::string text = terminal_safe_line(run.name) + ": " + terminal_safe_line(run.state) +
                     format(" at iter %s", with_commas(run.last_iter).c_str());
  const double wanted = run.option("max_iters", 0);
  if (wanted > static_cast<double>(run.last_iter)) text += format(" of %.0f", wanted);
  text += ", " + human_seconds(run.hours * 3600);
  if (const Series* loss = find(run, "val/loss"))
    text += format(", val loss %.4f, best %.4f", loss->last().value, loss->lowest());
  std::int64_t warnings = 0;
  for (const RunMark& mark : run.marks)
    warnings += mark.kind == "warning" || mark.kind == "error" || mark.kind == "not finite";
  if (warnings > 0) text += format(", %ld warnings", warnings);
  return cut(text, style.width) + "\n";
}

std::string sparklines_of(const RunData& run, const TerminalStyle& style) {
  static const std::pair<const char*, const char*> kShown[] = {
      {"lr", "lr"}, {"train/grad_norm", "grad norm"}, {"train/tok_per_sec", "tok/s"}};
  std::string text;
  for (const auto& [name, label] : kShown) {
    const Series* series = find(run, name);
    if (!series) continue;
    const std::string last = number(series->last().value);
    constexpr std::size_t kLast = 10;
    text += format("%*s  ", static_cast<int>(kLabels - 1), label) +
            sparkline(*series, style.width - kLabels - kLast - 3, style) + " " + last + "\n";
  }
  return text;
}

// "hellaswag_val/acc_norm  ._^ 0.2612", and the noise scale beside them.
std::string tasks_of(const RunData& run, const TerminalStyle& style) {
  constexpr std::size_t kMost = 8, kName = 28, kLast = 10;
  constexpr std::string_view kTask = "eval/";
  std::string text;
  std::size_t shown = 0;
  for (const auto& [name, series] : run.series) {
    const bool task = name.starts_with(kTask);
    if ((!task && name != "stats/noise_scale_tokens") || series.count() == 0) continue;
    if (++shown > kMost) break;
    const std::string label =
        cut(terminal_safe_line(task ? name.substr(kTask.size()) : "noise scale, tokens"), kName);
    const std::size_t left = style.width - std::min(style.width, kName + kLast + 4);
    text += format("  %-*s ", static_cast<int>(std::min(kName, style.width / 2)), label.c_str()) +
            sparkline(series, std::min<std::size_t>(left, 40), style) + " " +
            number(series.last().value) + "\n";
  }
  return text;
}

// The beginning of the newest one.
std::string sample_of(const RunData& run, const TerminalStyle& style) {
  if (run.samples.empty()) return "";
  const RunSample& sample = run.samples.back();
  return cut(format("  sample at iter %s: ", with_commas(sample.iter).c_str()) +
                 terminal_safe_line(sample.prompt + sample.text),
             style.width) +
         "\n";
}

}  // namespace

std::string terminal_report(const std::vector<RunData>& runs, const TerminalStyle& wanted) {
  constexpr std::size_t kNarrowest = 40;
  TerminalStyle style = wanted;
  style.width = std::max(style.width, kNarrowest);
  const std::vector<Curve> curves = loss_curves(runs);
  std::string below;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    std::string keys;
    for (const Curve& curve : curves)
      if (curve.series == find(runs[i], "train/batch_loss") ||
          curve.series == find(runs[i], "val/loss"))
        keys += painted((style.braille ? std::string("\u2501\u2501 ")
                                       : std::string(3, curve.mark) + " ") +
                            curve.name + " " + number(curve.series->last().value),
                        curve.colour, style) +
                "   ";
    below += summary_of(runs[i], style) + std::string(kLabels + 1, ' ') + keys + "\n";
    if (runs.size() <= 2)
      below += sparklines_of(runs[i], style) + tasks_of(runs[i], style) + sample_of(runs[i], style);
  }
  const auto lines = static_cast<std::size_t>(std::count(below.begin(), below.end(), '\n'));
  const std::size_t height =
      std::clamp<std::size_t>(style.height > lines + 3 ? style.height - lines - 3 : 8, 8, 30);
  std::string plot = curves.empty() ? "" : Plot(style, height).draw(curves);
  if (plot.empty()) plot = "no loss yet\n";
  return plot + below;
}

}  // namespace gpt
