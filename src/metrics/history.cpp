#include "gpt/metrics/history.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include <nlohmann/json.hpp>

#include "gpt/base/input_file.h"

namespace gpt {

namespace {

constexpr std::size_t kLongestLine = std::size_t{1} << 20;

// Of a file that may be growing: what follows the last newline is somebody's half a line.
class Lines {
 public:
  explicit Lines(const std::filesystem::path& path) : file_(path), buffer_(1 << 16, '\0') {}

  // False at the end. A line beyond reason is `too_long`, and none of it is kept.
  bool next(std::string& line, bool& too_long) {
    line.clear();
    too_long = false;
    while (true) {
      if (at_ == end_ && !fill()) return false;
      const char* begin = buffer_.data() + at_;
      const char* end = buffer_.data() + end_;
      const void* found = std::memchr(begin, '\n', end_ - at_);
      const char* newline = found ? static_cast<const char*>(found) : end;
      at_ = static_cast<std::size_t>(newline - buffer_.data());
      if (!too_long) line.append(begin, newline);
      if (line.size() > kLongestLine) {
        too_long = true;
        line.clear();
      }
      if (at_ == end_) continue;
      ++at_;
      return true;
    }
  }

 private:
  bool fill() {
    at_ = 0;
    end_ = file_.read(buffer_.data(), buffer_.size());
    return end_ > 0;
  }

  InputFile file_;
  std::string buffer_;
  std::size_t at_ = 0, end_ = 0;
};

// The members of one object; nothing recurses, however deep the text is nested.
class EventReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit EventReader(MetricsEvent& event) : event_(event) {}

  bool null() override { return number(std::numeric_limits<double>::quiet_NaN()); }
  bool boolean(bool value) override { return whole(value); }
  bool number_integer(number_integer_t value) override { return whole(value); }
  bool number_unsigned(number_unsigned_t value) override {
    constexpr auto kMost = static_cast<number_unsigned_t>(std::numeric_limits<std::int64_t>::max());
    return value <= kMost ? whole(static_cast<std::int64_t>(value))
                          : number(static_cast<double>(value));
  }
  bool number_float(number_float_t value, const string_t&) override { return number(value); }
  bool string(string_t& value) override {
    if (depth_ != 1) return true;
    if (key_ == "event")
      event_.name = value;
    else
      event_.values.emplace_back(key_, value);
    return true;
  }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return ++depth_ > 0; }
  bool key(string_t& key) override {
    if (depth_ == 1) key_ = key;
    return true;
  }
  bool end_object() override { return --depth_ >= 0; }
  bool start_array(std::size_t) override { return ++depth_ > 1; }
  bool end_array() override { return --depth_ >= 0; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) override {
    return false;
  }

 private:
  bool whole(std::int64_t value) {
    if (depth_ != 1) return depth_ > 0;
    if (key_ == "iter")
      event_.iter = std::max(value, MetricsEvent::kNoIter);
    else if (key_ == "time")
      event_.time = static_cast<double>(value);
    else
      event_.values.emplace_back(key_, value);
    return true;
  }
  bool number(double value) {
    if (depth_ != 1) return depth_ > 0;
    if (key_ == "time")
      event_.time = std::isfinite(value) ? value : 0;
    else if (key_ != "iter")
      event_.values.emplace_back(key_, value);
    return true;
  }

  MetricsEvent& event_;
  std::string key_;
  int depth_ = 0;
};

// A flat object of numbers and plain texts without spaces between, as this program writes them, in
// a fraction of a parser's time. Whatever else there is in a line, it leaves to the parser.
class PlainObject {
 public:
  PlainObject(std::string_view line, EventReader& reader)
      : at_(line.data()), end_(line.data() + line.size()), reader_(reader) {}

  bool read() {
    if (!take('{')) return false;
    reader_.start_object(0);
    do {
      if (!text()) return false;
      reader_.key(text_);
      if (!take(':') || !value()) return false;
    } while (take(','));
    return take('}') && at_ == end_ && reader_.end_object();
  }

 private:
  bool take(char c) {
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }
  bool take(std::string_view word) {
    if (!std::string_view(at_, static_cast<std::size_t>(end_ - at_)).starts_with(word))
      return false;
    at_ += word.size();
    return true;
  }

  // Printable ASCII without an escape.
  bool text() {
    if (!take('"')) return false;
    const char* begin = at_;
    while (at_ < end_ && *at_ != '"' && *at_ != '\\' && *at_ >= ' ' && *at_ <= '~') ++at_;
    text_.assign(begin, at_);
    return take('"');
  }

  bool value() {
    if (at_ == end_) return false;
    if (*at_ == '"') return text() && reader_.string(text_);
    if (*at_ == 'n') return take("null") && reader_.null();
    if (*at_ == 't') return take("true") && reader_.boolean(true);
    if (*at_ == 'f') return take("false") && reader_.boolean(false);
    return number();
  }

  bool digits() {
    const char* begin = at_;
    while (at_ < end_ && *at_ >= '0' && *at_ <= '9') ++at_;
    return at_ > begin;
  }

  // JSON's grammar; a number that no double, or no integer, holds is the parser's.
  bool number() {
    const char* begin = at_;
    take('-');
    if (!take('0') && !digits()) return false;
    bool whole = true;
    if (take('.')) {
      whole = false;
      if (!digits()) return false;
    }
    if (take('e') || take('E')) {
      whole = false;
      if (!take('+')) take('-');
      if (!digits()) return false;
    }
    std::int64_t integer = 0;
    double real = 0;
    const auto [end, error] =
        whole ? std::from_chars(begin, at_, integer) : std::from_chars(begin, at_, real);
    if (error != std::errc() || end != at_) return false;
    return whole ? reader_.number_integer(integer) : reader_.number_float(real, {});
  }

  const char* at_;
  const char* end_;
  EventReader& reader_;
  std::string text_;
};

void clear(MetricsEvent& event) {
  event.name.clear();
  event.values.clear();
  event.time = 0;
  event.iter = MetricsEvent::kNoIter;
}

// What counts of the events between two restarts: those before `iter`, and at `iter` all but those
// of the step itself.
struct Limit {
  std::int64_t iter = std::numeric_limits<std::int64_t>::max();
  bool nothing = false;

  void lower(const MetricsEvent& restart) {
    if (restart.name == "start") nothing = true;
    iter = std::min(iter, std::max<std::int64_t>(restart.iter, 0));
  }
  bool allows(const MetricsEvent& event) const {
    if (nothing || event.iter > iter) return false;
    return event.iter < iter || (event.name != "train" && event.name != "stats");
  }
};

// One for what comes before the first restart, and one for each.
std::vector<Limit> limits_of(const std::filesystem::path& file, const MetricsEvent* coming) {
  std::vector<MetricsEvent> restarts;
  Lines lines(file);
  bool too_long = false;
  for (std::string line; lines.next(line, too_long);) {
    if (line.find("\"start\"") == std::string::npos && line.find("\"resume\"") == std::string::npos)
      continue;
    MetricsEvent event;
    if (parse_metrics_line(line, event) && is_restart(event.name)) restarts.push_back(event);
  }
  if (coming) restarts.push_back(*coming);
  std::vector<Limit> limits(restarts.size() + 1);
  for (std::size_t i = restarts.size(); i > 0; --i) {
    limits[i - 1] = limits[i];
    limits[i - 1].lower(restarts[i - 1]);
  }
  return limits;
}

}  // namespace

bool is_restart(std::string_view event) {
  return event == "start" || event == "resume";
}

bool parse_metrics_line(std::string_view line, MetricsEvent& event) {
  clear(event);
  EventReader plain(event);
  if (PlainObject(line, plain).read()) return !event.name.empty();
  clear(event);
  EventReader reader(event);
  return nlohmann::json::sax_parse(line.begin(), line.end(), &reader) && !event.name.empty();
}

HistoryFacts read_history(const std::filesystem::path& file,
                          const std::function<void(const MetricsEvent&)>& take,
                          const MetricsEvent* restart) {
  const std::vector<Limit> limits = limits_of(file, restart);
  HistoryFacts facts;
  std::size_t part = 0;
  MetricsEvent event;
  Lines lines(file);
  bool too_long = false;
  for (std::string line; lines.next(line, too_long);) {
    ++facts.lines;
    if (too_long || !parse_metrics_line(line, event)) {
      ++facts.broken;
      continue;
    }
    // A restart that came since the limits were read: its iterations are seen at the next reading.
    if (is_restart(event.name) && part + 1 < limits.size()) ++part;
    if (limits[part].allows(event))
      take(event);
    else
      ++facts.superseded;
  }
  return facts;
}

}  // namespace gpt
