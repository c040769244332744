#include "gpt/dataprep/json_rows.h"

#include <algorithm>
#include <cstring>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"

namespace gpt {

namespace {

constexpr std::size_t kRowBytes = std::size_t{64} << 10;

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

class JsonRowsSource : public Layer {
 public:
  JsonRowsSource(std::unique_ptr<ByteSource> below, const std::string& name)
      : Layer(std::move(below)), name_(name) {}

 protected:
  std::size_t read_more(char* to, std::size_t size) override {
    while (out_at_ == out_.size()) {
      out_.clear();
      out_at_ = 0;
      in_.resize(kRowBytes);
      in_.resize(this->below().read(in_.data(), in_.size()));
      if (stopped()) return 0;
      if (in_.empty()) {
        finish();
        return 0;
      }
      for (const char c : in_) take(c);
    }
    const std::size_t given = std::min(size, out_.size() - out_at_);
    std::memcpy(to, out_.data() + out_at_, given);
    out_at_ += given;
    return given;
  }

 private:
  enum class Place { kBetween, kRow, kBehindRow };

  void finish() const {
    if (place_ == Place::kRow || in_array_)
      throw InputError(concat(name_, ": ends in the middle of its JSON",
                              row_ > 0 ? concat(", behind row ", row_) : std::string(),
                              ": it is cut; get it again, or take it as plain text with "
                              "--document=file"));
  }

  [[noreturn]] void fail(char found) const {
    throw InputError(concat(name_, ": expected ", in_array_ ? "',' or ']'" : "a JSON object",
                            " behind row ", row_, ", found ", quoted_name({&found, 1}),
                            "; mend the JSON, or take it as plain text with --document=file"));
  }

  void take(char c) {
    if (place_ == Place::kRow) return take_of_row(c);
    if (is_space(c)) return;
    if (place_ == Place::kBehindRow) {
      if (c != ',' && c != ']') fail(c);
      in_array_ = c == ',';
      place_ = Place::kBetween;
    } else if (!in_array_ && c == '[') {
      in_array_ = true;
    } else if (in_array_ && c == ']') {  // an empty array, or a comma behind the last row
      in_array_ = false;
    } else if (in_array_ && c == ',') {  // a row that is not there, which its reader refuses
      out_ += ",\n";
      ++row_;
    } else if (!in_array_ && c != '{') {
      fail(c);
    } else {
      place_ = Place::kRow;
      take_of_row(c);
    }
  }

  void take_of_row(char c) {
    if (in_string_) {
      // A line's end in a string is no JSON; it must not make two rows of one.
      out_.push_back(c == '\n' ? '\r' : c);
      if (!escaped_ && c == '"') in_string_ = false;
      escaped_ = !escaped_ && c == '\\';
      return;
    }
    const bool closes = c == '}' || c == ']';
    if (depth_ == 0 && in_array_ && (c == ',' || c == ']')) {
      end_row();
      place_ = Place::kBehindRow;
      return take(c);
    }
    out_.push_back(is_space(c) ? ' ' : c);
    if (c == '"') in_string_ = true;
    if (c == '{' || c == '[') ++depth_;
    if (closes && depth_ > 0) --depth_;
    if (closes && depth_ == 0) end_row();
  }

  void end_row() {
    if (place_ != Place::kRow) return;
    out_.push_back('\n');
    ++row_;
    place_ = in_array_ ? Place::kBehindRow : Place::kBetween;
  }

  const std::string name_;
  std::string in_, out_;
  std::size_t out_at_ = 0;
  Place place_ = Place::kBetween;
  bool in_array_ = false, in_string_ = false, escaped_ = false;
  std::int64_t depth_ = 0, row_ = 0;
};

}  // namespace

std::unique_ptr<ByteSource> json_rows(std::unique_ptr<ByteSource> below, const std::string& name) {
  return std::make_unique<JsonRowsSource>(std::move(below), name);
}

}  // namespace gpt
