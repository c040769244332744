// What a field accepts: each check holds or not, and says what it wants.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "gpt/base/strings.h"
#include "gpt/config/field.h"

namespace gpt {

struct anything {
  bool holds(const auto&) const { return true; }
  std::string says() const { return ""; }
};

struct not_empty {
  bool holds(const std::string& v) const { return !v.empty(); }
  std::string says() const { return "a text that is not empty"; }
};

template <class T>
struct at_least {
  T low;
  constexpr explicit at_least(T l) : low(l) {}
  bool holds(const auto& v) const { return v >= low; }  // false for NaN
  std::string says() const { return concat("at least ", low); }
};

template <class T>
struct between {
  T low, high;
  constexpr between(T l, T h) : low(l), high(h) {}
  bool holds(const auto& v) const { return low <= v && v <= high; }
  std::string says() const { return concat("from ", low, " to ", high); }
};

// What computes in float32: a smaller number than `low` would be 0 there, which may say something
// else (no clipping), and a larger one than `high` infinite.
struct zero_or_between {
  double low, high;
  constexpr zero_or_between(double l, double h) : low(l), high(h) {}
  bool holds(double v) const { return v == 0 || (low <= v && v <= high); }
  std::string says() const { return concat("0 or from ", low, " to ", high); }
};

// Powers of ten well within float32, also after a division by the iterations of a warm-up.
constexpr double kSmallestFloat = 1e-30, kLargestFloat = 3.4e38;

// No step holds more tokens (see validate.h), so nothing is cut into more or larger pieces.
constexpr std::int64_t kMostTokens = std::int64_t{1} << 30;

template <std::size_t N>
struct one_of {
  std::array<std::string_view, N> names;
  template <class... Names>
  constexpr explicit one_of(Names... n) : names{std::string_view(n)...} {}
  bool holds(const std::string& v) const {
    for (auto name : names)
      if (v == name) return true;
    return false;
  }
  std::string says() const {
    std::string text;
    for (std::size_t i = 0; i < N; ++i)
      text += concat(i == 0 ? "" : i + 1 == N ? " or " : ", ", names[i]);
    return text;
  }
};
template <class... Names>
one_of(Names...) -> one_of<sizeof...(Names)>;

struct auto_or_at_least {
  std::int64_t low;
  constexpr explicit auto_or_at_least(std::int64_t l) : low(l) {}
  bool holds(const AutoInt& v) const { return !v.value || *v.value >= low; }
  std::string says() const { return concat("auto or at least ", low); }
};

struct auto_or_between {
  std::int64_t low, high;
  constexpr auto_or_between(std::int64_t l, std::int64_t h) : low(l), high(h) {}
  bool holds(const AutoInt& v) const { return !v.value || (low <= *v.value && *v.value <= high); }
  std::string says() const { return concat("auto or from ", low, " to ", high); }
};

// auto, cpu, cuda or cuda:N.
struct device_name {
  bool holds(const std::string& v) const;
  std::string says() const { return "auto, cpu, cuda or cuda:N"; }
};

// auto, a size such as 11.69GiB, 8G or 512MiB, or a fraction of what the device has.
struct memory_size {
  bool holds(const std::string& v) const;
  std::string says() const { return "auto, a size such as 11.69GiB or 8G, or a fraction to 1"; }
};

// auto, native, expandable_segments, or key:value pairs of LibTorch's allocators.
struct allocator_setting {
  bool holds(const std::string& v) const;
  std::string says() const { return "auto, native, expandable_segments or key:value,..."; }
};

// Whether it is written as a path, with a / or . in it, or something of that name is there.
bool names_a_path(const std::string& text);

// A known name, or a path.
template <std::size_t N>
struct one_of_or_path : one_of<N> {
  template <class... Names>
  constexpr explicit one_of_or_path(Names... n) : one_of<N>(n...) {}
  bool holds(const std::string& v) const { return one_of<N>::holds(v) || names_a_path(v); }
  std::string says() const { return one_of<N>::says() + ", or the path of a file or folder"; }
};
template <class... Names>
one_of_or_path(Names...) -> one_of_or_path<sizeof...(Names)>;

}  // namespace gpt
