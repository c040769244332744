#include "gpt/metrics/terminal_report.h"

#include <algorithm>
#include <cmath>

#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"

namespace gpt {

namespace {

// Cut at a character's beginning; names are UTF-8.
std::string cut(std::string text, std::size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
  text.resize(most);
  return text;
}

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
  ValueRange range;
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
    const std::string last = short_number(series->last().value);
    constexpr std::size_t kLast = 10;
    text += format("%*s  ", static_cast<int>(kPlotLabels - 1), label) +
            sparkline(*series, style.width - kPlotLabels - kLast - 3, style) + " " + last + "\n";
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
            short_number(series.last().value) + "\n";
  }
  return text;
}

// The beginning of the newest one.
// As verses are quoted: " / " for the end of a line.
std::string in_one_line(const std::string& text) {
  std::string line;
  for (const char c : text) {
    if (c != '\n')
      line += c;
    else if (!line.empty() && !line.ends_with(" / "))
      line += " / ";
  }
  return line;
}

std::string sample_of(const RunData& run, const TerminalStyle& style) {
  if (run.samples.empty()) return "";
  const RunSample& sample = run.samples.back();
  return cut(format("  sample at iter %s: ", with_commas(sample.iter).c_str()) +
                 terminal_safe_line(in_one_line(sample.prompt + sample.text)),
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
                            curve.name + " " + short_number(curve.series->last().value),
                        curve.colour, style) +
                "   ";
    below += summary_of(runs[i], style) + std::string(kPlotLabels + 1, ' ') + keys + "\n";
    if (runs.size() <= 2)
      below += sparklines_of(runs[i], style) + tasks_of(runs[i], style) + sample_of(runs[i], style);
  }
  const auto lines = static_cast<std::size_t>(std::count(below.begin(), below.end(), '\n'));
  const std::size_t height =
      std::clamp<std::size_t>(style.height > lines + 3 ? style.height - lines - 3 : 8, 8, 30);
  std::string plot = curves.empty() ? "" : line_plot(curves, style, height);
  if (plot.empty()) plot = "no loss yet\n";
  return plot + below;
}

}  // namespace gpt
