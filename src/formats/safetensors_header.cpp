#include "safetensors_header.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"
#include "gpt/formats/safetensors.h"

namespace gpt {

namespace {

using nlohmann::json;

// Takes the header event by event: a DOM would forget duplicate keys and follow any nesting. Each
// event must be the one that the format allows at this place, so depth is bounded by the format.
class HeaderReader : public nlohmann::json_sax<json> {
 public:
  explicit HeaderReader(const std::string& origin) : origin_(origin) {}
  SafetensorsHeader take() { return std::move(header_); }

  bool start_object(std::size_t) override {
    if (place_ == Place::kStart)
      place_ = Place::kTop;
    else if (place_ == Place::kTop && key_ == "__metadata__")
      place_ = Place::kMetadata;
    else if (place_ == Place::kTop)
      start_entry();
    else
      refuse("an object");
    return true;
  }
  bool end_object() override {
    if (place_ == Place::kEntry) finish_entry();
    place_ = place_ == Place::kTop ? Place::kEnd : Place::kTop;
    return true;
  }
  bool start_array(std::size_t) override {
    if (place_ != Place::kEntry || (key_ != "shape" && key_ != "data_offsets")) refuse("an array");
    place_ = key_ == "shape" ? Place::kShape : Place::kOffsets;
    return true;
  }
  bool end_array() override {
    if (place_ == Place::kOffsets && offset_count_ != 2) fail("data_offsets has not two entries");
    place_ = Place::kEntry;
    return true;
  }
  bool key(string_t& name) override {
    key_ = name;
    if (place_ == Place::kTop) {
      if (!names_.insert(name).second) fail("duplicate key " + quoted_name(name));
      entry_.name = name;
    } else if (place_ == Place::kMetadata) {
      if (header_.metadata.contains(name)) fail("duplicate metadata key " + quoted_name(name));
    } else {
      if (name != "dtype" && name != "shape" && name != "data_offsets")
        fail("unknown key " + quoted_name(name) + "; expected dtype, shape and data_offsets");
      if (!members_.insert(name).second) fail("duplicate key " + quoted_name(name));
    }
    return true;
  }
  bool string(string_t& text) override {
    if (place_ == Place::kMetadata)
      header_.metadata[key_] = text;
    else if (place_ == Place::kEntry && key_ == "dtype")
      entry_.dtype = text;
    else
      refuse("a string");
    return true;
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (place_ == Place::kShape) {
      if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        fail(concat("shape entry ", value, " is too large"));
      entry_.shape.push_back(static_cast<std::int64_t>(value));
    } else if (place_ == Place::kOffsets) {
      if (offset_count_ == 2) fail("data_offsets has not two entries");
      entry_.offsets[offset_count_++] = value;
    } else {
      refuse("a number");
    }
    return true;
  }
  bool number_integer(number_integer_t) override { return refuse("a negative number"); }
  bool number_float(number_float_t, const string_t&) override {
    return refuse("a number that is no 64-bit integer");
  }
  bool null() override { return refuse("null"); }
  bool boolean(bool) override { return refuse("a boolean"); }
  bool binary(json::binary_t&) override { return refuse("binary data"); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    throw InputError(
        concat(origin_, ": header byte ", position, ": not valid UTF-8 JSON; the file is damaged"));
  }

 private:
  enum class Place { kStart, kTop, kMetadata, kEntry, kShape, kOffsets, kEnd };

  void start_entry() {
    place_ = Place::kEntry;
    entry_ = {.name = key_, .dtype = {}, .shape = {}, .offsets = {}};
    members_.clear();
    offset_count_ = 0;
  }
  void finish_entry() {
    if (members_.size() != 3) fail("dtype, shape or data_offsets is missing");
    header_.entries.push_back(std::move(entry_));
  }
  [[noreturn]] void fail(const std::string& what) const {
    const bool inside = place_ != Place::kTop && place_ != Place::kMetadata;
    throw InputError(origin_ + ": " + (inside ? "tensor " + quoted_name(entry_.name) + ": " : "") +
                     what);
  }
  bool refuse(const char* found) const {
    if (place_ == Place::kStart)
      throw InputError(origin_ + ": header: expected an object, found " + found);
    const char* expected = place_ == Place::kTop        ? "an object"
                           : place_ == Place::kMetadata ? "a string"
                           : place_ != Place::kEntry    ? "an integer from 0 up"
                           : key_ == "dtype"            ? "a string"
                                                        : "an array";
    fail(
        concat(place_ == Place::kShape || place_ == Place::kOffsets ? "" : quoted_name(key_) + ": ",
               "expected ", expected, ", found ", found));
  }

  const std::string& origin_;
  SafetensorsHeader header_;
  Place place_ = Place::kStart;
  std::string key_;
  std::set<std::string> names_, members_;
  HeaderEntry entry_;
  std::size_t offset_count_ = 0;
};

void check_entry(const HeaderEntry& entry, std::uint64_t data_size, const std::string& where) {
  const std::size_t element = safetensors_dtype_size(entry.dtype);
  if (element == 0) throw InputError(where + "unknown dtype " + quoted_name(entry.dtype));
  const auto [begin, end] = entry.offsets;
  if (begin > end || end > data_size)
    throw InputError(concat(where, "bytes ", begin, " to ", end, " are not inside the ", data_size,
                            " bytes of data; the file is cut short or damaged"));
  std::uint64_t bytes = 0;
  if (!tensor_bytes(entry.shape, element, &bytes))
    throw InputError(where + "shape times dtype does not fit in 64 bits");
  if (bytes != end - begin)
    throw InputError(
        concat(where, "shape and dtype need ", bytes, " bytes, data_offsets hold ", end - begin));
}

}  // namespace

bool tensor_bytes(const std::vector<std::int64_t>& shape, std::uint64_t element_size,
                  std::uint64_t* bytes) {
  *bytes = element_size;
  for (const std::int64_t size : shape)
    if (size < 0 || __builtin_mul_overflow(*bytes, static_cast<std::uint64_t>(size), bytes))
      return false;
  return true;
}

SafetensorsHeader parse_safetensors_header(std::string_view text, std::uint64_t data_size,
                                           const std::string& origin) {
  if (!text.starts_with('{')) throw InputError(origin + ": header: does not begin with '{'");
  // The format pads with spaces only; nlohmann would end at a NUL as if the text ended there.
  text = text.substr(0, text.find_last_not_of(' ') + 1);
  if (!text.ends_with('}')) throw InputError(origin + ": header: does not end with '}'");
  if (const auto at = text.find('\0'); at != text.npos)
    throw InputError(concat(origin, ": header byte ", at, ": NUL; the file is damaged"));
  HeaderReader reader(origin);
  json::sax_parse(text.begin(), text.end(), &reader);
  SafetensorsHeader header = reader.take();

  std::sort(header.entries.begin(), header.entries.end(),
            [](const HeaderEntry& a, const HeaderEntry& b) { return a.offsets < b.offsets; });
  std::uint64_t expected = 0;
  for (const HeaderEntry& entry : header.entries) {
    const std::string where = origin + ": tensor " + quoted_name(entry.name) + ": ";
    check_entry(entry, data_size, where);
    if (entry.offsets[0] != expected)
      throw InputError(concat(where, "begins at byte ", entry.offsets[0], ", expected ", expected,
                              entry.offsets[0] > expected ? " (a hole)" : " (an overlap)"));
    expected = entry.offsets[1];
  }
  if (expected != data_size)
    throw InputError(concat(origin, ": the tensors end at byte ", expected,
                            " of the data, the file at ", data_size,
                            "; there is something behind them"));
  return header;
}

}  // namespace gpt
