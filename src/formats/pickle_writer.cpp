#include "gpt/formats/pickle_writer.h"

#include <bit>
#include <limits>
#include <utility>

namespace gpt {

PickleWriter::PickleWriter() : bytes_("\x80\x02") {}

void PickleWriter::number(std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) bytes_ += static_cast<char>(value >> (8 * i) & 0xFF);
}

void PickleWriter::none() {
  bytes_ += 'N';
}

void PickleWriter::boolean(bool value) {
  bytes_ += value ? '\x88' : '\x89';
}

void PickleWriter::integer(std::int64_t value) {
  const bool small = value >= std::numeric_limits<std::int32_t>::min() &&
                     value <= std::numeric_limits<std::int32_t>::max();
  if (small) {
    bytes_ += 'J';
    number(static_cast<std::uint64_t>(value), 4);
  } else {
    bytes_ += "\x8a\x08";  // LONG1 of eight bytes
    number(static_cast<std::uint64_t>(value), 8);
  }
}

void PickleWriter::real(double value) {
  bytes_ += 'G';
  const auto bits = std::bit_cast<std::uint64_t>(value);
  for (int i = 7; i >= 0; --i) bytes_ += static_cast<char>(bits >> (8 * i) & 0xFF);
}

void PickleWriter::text(std::string_view utf8) {
  bytes_ += 'X';
  number(utf8.size(), 4);
  bytes_ += utf8;
}

void PickleWriter::open_dict() {
  bytes_ += "}(";
}

void PickleWriter::open_ordered_dict() {
  global("collections", "OrderedDict");
  bytes_ += ")R(";
}

void PickleWriter::close_dict() {
  bytes_ += 'u';
}

void PickleWriter::open_list() {
  bytes_ += "](";
}

void PickleWriter::close_list() {
  bytes_ += 'e';
}

void PickleWriter::open_tuple() {
  bytes_ += '(';
}

void PickleWriter::close_tuple() {
  bytes_ += 't';
}

void PickleWriter::global(std::string_view module, std::string_view name) {
  bytes_ += 'c';
  bytes_ += module;
  bytes_ += '\n';
  bytes_ += name;
  bytes_ += '\n';
}

void PickleWriter::call() {
  bytes_ += 'R';
}

void PickleWriter::persistent() {
  bytes_ += 'Q';
}

std::string PickleWriter::finish() {
  bytes_ += '.';
  return std::move(bytes_);
}

}  // namespace gpt
