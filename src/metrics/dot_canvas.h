// Characters as pixels: Braille has two columns and four rows of dots in one, ASCII one mark.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gpt {

class DotCanvas {
 public:
  // In characters.
  DotCanvas(std::size_t width, std::size_t height, bool braille);

  // In dots; the origin is above, at the left.
  std::size_t width() const { return width_ * (braille_ ? 2 : 1); }
  std::size_t height() const { return height_ * (braille_ ? 4 : 1); }

  // `mark` is what ASCII shows; the last one drawn on a character has it, and its colour.
  void dot(std::size_t x, std::size_t y, char mark, int colour);
  void line(double x1, double y1, double x2, double y2, char mark, int colour);

  // A row of characters, with `colour` in the ANSI colours 31 to 36.
  std::string row(std::size_t y, bool colour) const;

 private:
  struct Cell {
    std::uint8_t dots = 0;
    char mark = ' ';
    int colour = 0;
  };
  std::size_t width_, height_;
  bool braille_;
  std::vector<Cell> cells_;
};

}  // namespace gpt
