#include "dot_canvas.h"

#include <algorithm>
#include <cmath>

#include "gpt/base/strings.h"

namespace gpt {

DotCanvas::DotCanvas(std::size_t width, std::size_t height, bool braille)
    : width_(width), height_(height), braille_(braille), cells_(width * height) {}

void DotCanvas::dot(std::size_t x, std::size_t y, char mark, int colour) {
  if (x >= width() || y >= height()) return;
  // The bits of U+2800 + n: the left column from above is 1, 2, 4, 64, the right one 8, 16, 32,
  // 128.
  static constexpr std::uint8_t kBits[4][2] = {{1, 8}, {2, 16}, {4, 32}, {64, 128}};
  Cell& cell = cells_[braille_ ? y / 4 * width_ + x / 2 : y * width_ + x];
  cell.dots = static_cast<std::uint8_t>(cell.dots | kBits[y % 4][x % 2]);
  cell.mark = mark;
  cell.colour = colour;
}

void DotCanvas::line(double x1, double y1, double x2, double y2, char mark, int colour) {
  const double longest = std::max(std::abs(x2 - x1), std::abs(y2 - y1));
  const int steps = std::max(1, static_cast<int>(std::ceil(longest)));
  for (int i = 0; i <= steps; ++i) {
    const double x = x1 + (x2 - x1) * i / steps, y = y1 + (y2 - y1) * i / steps;
    if (x >= -0.5 && y >= -0.5)
      dot(static_cast<std::size_t>(std::lround(x)), static_cast<std::size_t>(std::lround(y)), mark,
          colour);
  }
}

std::string DotCanvas::row(std::size_t y, bool colour) const {
  std::string text;
  int now = 0;
  for (std::size_t x = 0; x < width_; ++x) {
    const Cell& cell = cells_[y * width_ + x];
    if (colour && cell.colour != now && cell.mark != ' ') {
      text += format("\033[%dm", 31 + (cell.colour + 5) % 6);
      now = cell.colour;
    }
    if (!braille_ || cell.dots == 0) {
      text += cell.mark == ' ' || !braille_ ? cell.mark : ' ';
    } else {
      const unsigned point = 0x2800u + cell.dots;
      for (const unsigned byte :
           {0xE0u | point >> 12, 0x80u | (point >> 6 & 0x3F), 0x80u | (point & 0x3F)})
        text += static_cast<char>(byte);
    }
  }
  return text + (now ? "\033[0m" : "");
}

}  // namespace gpt
