#include "gpt/config/json_reader.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <map>

#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

constexpr std::array<std::string_view, 9> kSections = {
    "io", "data", "model", "optimizer", "schedule", "memory", "system", "sample", "prepare"};

bool is_section(std::string_view key) {
  return std::find(kSections.begin(), kSections.end(), key) != kSections.end();
}

bool is_name(std::string_view key) {
  return !key.empty() &&
         key.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
             std::string_view::npos;
}

// nlohmann's parser tells its events no position, so the characters are counted as it takes them.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, std::size_t* lines) : at_(at), lines_(lines) {}
  const char& operator*() const { return *at_; }
  CountingIterator& operator++() {
    *lines_ += *at_ == '\n';
    ++at_;
    return *this;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  std::size_t* lines_;
};

class JsonSettings final : public nlohmann::json_sax<nlohmann::json> {
 public:
  JsonSettings(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  std::vector<Setting> read() {
    const CountingIterator first(text_.data(), &lines_);
    const CountingIterator last(text_.data() + text_.size(), &lines_);
    nlohmann::json::sax_parse(first, last, this);
    return std::move(settings_);
  }

  bool null() override {
    if (depth_ == 0) refuse_document("null");
    return add(std::monostate{});
  }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(std::int64_t{value}); }
  bool number_unsigned(number_unsigned_t value) override {
    if (value > static_cast<number_unsigned_t>(std::numeric_limits<std::int64_t>::max()))
      refuse_integer();
    return add(static_cast<std::int64_t>(value));
  }
  bool number_float(number_float_t value, const string_t& digits) override {
    if (digits.find_first_of(".eE") == std::string::npos) refuse_integer();
    return add(value);
  }
  bool string(string_t& value) override { return add(value); }
  bool binary(binary_t&) override { refuse("binary data"); }
  bool start_array(std::size_t) override { refuse("an array"); }
  bool end_array() override { return true; }

  bool start_object(std::size_t) override {
    if (depth_ == 1 && !is_section(key_))
      fail(concat(key_, ": expected a value, got an object; only sections may be objects: ",
                  join({kSections.begin(), kSections.end()}, ", ")));
    if (depth_ == 2) refuse("an object");
    ++depth_;
    return true;
  }

  bool end_object() override {
    --depth_;
    return true;
  }

  bool key(string_t& key) override {
    key_ = key;
    key_line_ = lines_ + 1;
    if (!is_name(key_))
      fail("expected a key of letters, digits and underscores; --help lists all keys");
    const auto [first, is_new] = key_lines_.emplace(key_, key_line_);
    if (!is_new)
      fail(concat(key_, ": given twice, first in line ", first->second, "; remove one of them"));
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception& error) override {
    if (text_.find_first_not_of(" \t\r\n") == std::string_view::npos)
      throw InputError(name_ + ":1: the file is empty; expected an object, {\"key\": value, ...}");
    // 406 is the only error that is no syntax error.
    if (error.id == 406 && depth_ == 0) refuse_document("a number");
    if (error.id == 406) fail(key_ + ": expected a number that fits a double");
    std::string what = error.what();
    // Drops nlohmann's own position; its copy of the offending bytes may be long or unprintable.
    if (const auto cut = what.find(": syntax error"); cut != std::string::npos)
      what.erase(0, cut + 2);
    if (const auto cut = what.find("; last read: "); cut != std::string::npos) what.erase(cut);
    // Tokens count from 1 and end where the parser stopped.
    const std::string_view before = text_.substr(0, position > 0 ? position - 1 : 0);
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const std::size_t column = before.size() - (before.rfind('\n') + 1) + 1;
    throw InputError(concat(name_, ":", line, ":", column, ": ", what));
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw InputError(concat(name_, ":", key_line_, ": ", what));
  }

  [[noreturn]] void refuse(const std::string& got) const {
    if (depth_ == 0) refuse_document(got);
    fail(concat(key_, ": expected true, false, a number or a text, got ", got));
  }

  [[noreturn]] void refuse_document(const std::string& got) const {
    fail("expected an object, {\"key\": value, ...}, got " + got);
  }

  [[noreturn]] void refuse_integer() const {
    if (depth_ == 0) refuse_document("a number");
    fail(key_ + ": expected an integer of at most 64 bits; a float is written with a point");
  }

  bool add(Value value) {
    if (depth_ == 0) refuse_document("a single value");
    settings_.push_back({key_, std::move(value), concat(name_, ":", key_line_)});
    return true;
  }

  std::string_view text_;
  const std::string& name_;
  std::size_t lines_ = 0;  // newlines taken by the parser so far
  int depth_ = 0;          // 1: the document's members, 2: a section's
  std::string key_;
  std::size_t key_line_ = 1;
  std::map<std::string, std::size_t> key_lines_;
  std::vector<Setting> settings_;
};

}  // namespace

std::vector<Setting> parse_json_config(std::string_view text, const std::string& name) {
  return JsonSettings(text, name).read();
}

std::vector<Setting> read_json_config(const std::filesystem::path& file) {
  return parse_json_config(read_small_file(file, kLargestConfig, "a config"), file.string());
}

}  // namespace gpt
