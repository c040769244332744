// Curves drawn with characters.
#pragma once

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "gpt/metrics/series.h"

namespace gpt {

struct TerminalStyle {
  std::size_t width = 80, height = 24;  // columns and lines to keep to
  bool colour = false;                  // ANSI colours
  bool braille = true;                  // eight dots a character; else one, in ASCII
  bool logarithmic = false;             // the y axis
};

// The terminal's that stdout is, or 80 x 24 without colours; Braille where the locale is UTF-8.
TerminalStyle style_of_stdout();

// Columns left of a plot.
inline constexpr std::size_t kPlotLabels = 10;

struct Curve {
  const Series* series;
  std::string name;
  char mark;   // in ASCII
  int colour;  // 1 to 6
};

// `height` lines and one for the x axis; "" if the curves have no points.
std::string line_plot(const std::vector<Curve>& curves, const TerminalStyle& style,
                      std::size_t height);

// Where a value lies between the lowest and the highest of those seen.
struct ValueRange {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
  double share(double value) const { return high > low ? (value - low) / (high - low) : 0.5; }
};

// "1.25", "3.4k", "6.00e-05".
std::string short_number(double value);

}  // namespace gpt
