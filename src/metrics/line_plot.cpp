#include "gpt/metrics/line_plot.h"

#include <cmath>
#include <cstdlib>
#include <sys/ioctl.h>
#include <unistd.h>

#include "gpt/base/drawing.h"
#include "gpt/base/strings.h"

#include "dot_canvas.h"

namespace gpt {

namespace {

class Plot {
 public:
  Plot(const TerminalStyle& style, std::size_t height)
      : style_(style),
        canvas_(style.width - kPlotLabels - 1, height, style.braille),
        height_(height) {}

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
    const std::size_t width = style_.width - kPlotLabels - 1;
    return text + std::string(kPlotLabels + 1, ' ') + from +
           std::string(width > from.size() + to.size() ? width - from.size() - to.size() : 1, ' ') +
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
    const std::string text =
        labelled ? short_number(style_.logarithmic ? std::exp(value) : value) : "";
    return format("%*s", static_cast<int>(kPlotLabels - 1), text.c_str()) +
           (style_.braille ? "\u2502 " : "| ");
  }

  const TerminalStyle& style_;
  DotCanvas canvas_;
  std::size_t height_;
  ValueRange x_, y_;
};

bool utf8_locale() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (!value || !*value) continue;
    const std::string text = value;
    return text.find("UTF-8") != std::string::npos || text.find("utf8") != std::string::npos;
  }
  return false;
}

}  // namespace

std::string short_number(double value) {
  const double size = std::abs(value);
  if (size >= 1e6) return format("%.3gM", value / 1e6);
  if (size >= 1e4) return format("%.3gk", value / 1e3);
  return format(size != 0 && size < 1e-3 ? "%.2e" : "%.4g", value);
}

std::string line_plot(const std::vector<Curve>& curves, const TerminalStyle& style,
                      std::size_t height) {
  return Plot(style, height).draw(curves);
}

TerminalStyle style_of_stdout() {
  TerminalStyle style;
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
    style.width = size.ws_col;
    style.height = size.ws_row;
  }
  const char* plain = std::getenv("NO_COLOR");
  style.colour = stdout_is_terminal() && !(plain && *plain);
  style.braille = utf8_locale();
  return style;
}

}  // namespace gpt
