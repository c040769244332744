#include "gpt/metrics/html_report.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

#include "report_page.inc"

namespace gpt {

namespace {

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void append_number(std::string& to, double value, int digits) {
  char text[40];
  const auto end = std::to_chars(text, text + sizeof text, std::isfinite(value) ? value : 0,
                                 std::chars_format::general, digits);
  to.append(text, end.ptr);
}

// All values of one event have their points at the same iterations.
bool same_places(const Series& one, const Series& other) {
  const auto same = [](const Series::Bucket& a, const Series::Bucket& b) {
    return a.low.iter == b.low.iter && a.low.hours == b.low.hours;
  };
  return one.exact() && other.exact() &&
         std::equal(one.buckets().begin(), one.buckets().end(), other.buckets().begin(),
                    other.buckets().end(), same);
}

// The values alone, next to the name of a series that has the same iterations and hours.
std::string json_like(const Series& series, const std::string& name) {
  std::string y;
  for (const Series::Bucket& bucket : series.buckets()) {
    if (!y.empty()) y += ',';
    append_number(y, bucket.low.value, 6);
  }
  return R"({"like":)" + quoted(name) + R"(,"y":[)" + y + "]}";
}

// The points of a series as four lists: iterations, hours, values and, where neighbours are shown
// as their lowest and highest, the mean of those.
std::string json_of(const Series& series) {
  std::string x, t, y, m;
  const auto add = [&](const Series::Point& point, double mean) {
    for (std::string* list : {&x, &t, &y, &m})
      if (!list->empty()) *list += ',';
    x += std::to_string(point.iter);
    append_number(t, point.hours, 7);
    append_number(y, point.value, 6);
    append_number(m, mean, 6);
  };
  for (const Series::Bucket& bucket : series.buckets()) {
    const double mean = bucket.sum / static_cast<double>(bucket.count);
    const bool low_first = bucket.low.iter <= bucket.high.iter;
    add(low_first ? bucket.low : bucket.high, mean);
    if (bucket.low.iter != bucket.high.iter) add(low_first ? bucket.high : bucket.low, mean);
  }
  return R"({"x":[)" + x + R"(],"t":[)" + t + R"(],"y":[)" + y + "]" +
         (series.exact() ? "" : R"(,"m":[)" + m + "]") + "}";
}

template <class List, class Item>
std::string json_list(const List& list, char open, char close, const Item& item) {
  std::string text(1, open);
  for (const auto& entry : list) {
    if (text.size() > 1) text += ',';
    text += item(entry);
  }
  return text + close;
}

// An option that is there twice is shown as it was last.
std::string json_of(const std::vector<std::pair<std::string, std::string>>& texts) {
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
  for (const auto& [key, text] : texts) object[key] = text;
  return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string json_of(const RunMark& mark) {
  std::string json = R"({"iter":)" + std::to_string(mark.iter) + R"(,"time":)";
  append_number(json, mark.time, 13);
  return json + R"(,"kind":)" + quoted(mark.kind) + R"(,"text":)" + quoted(mark.text) +
         R"(,"times":)" + std::to_string(mark.times) + "}";
}

std::string json_of(const RunSample& sample) {
  return R"({"iter":)" + std::to_string(sample.iter) + R"(,"prompt":)" + quoted(sample.prompt) +
         R"(,"text":)" + quoted(sample.text) + "}";
}

std::string json_of(const MemoryPeak& peak) {
  std::string json = R"({"iter":)" + std::to_string(peak.iter) + R"(,"of":)" + quoted(peak.of);
  json += R"(,"predicted":)";
  append_number(json, peak.predicted_mib, 8);
  json += R"(,"measured":)";
  append_number(json, peak.measured_mib, 8);
  return json + "}";
}

std::string json_of(const std::map<std::string, Series>& all) {
  const std::pair<const std::string, Series>* written = nullptr;  // the last one with its places
  return json_list(all, '{', '}', [&](const auto& entry) {
    const bool like = written && same_places(entry.second, written->second);
    if (!like) written = &entry;
    return quoted(entry.first) + ":" +
           (like ? json_like(entry.second, written->first) : json_of(entry.second));
  });
}

std::string json_of(const RunData& run) {
  const auto plain = [](const auto& entry) { return json_of(entry); };
  std::string json = R"({"name":)" + quoted(run.name) + R"(,"folder":)" + quoted(run.folder) +
                     R"(,"state":)" + quoted(run.state) + R"(,"iter":)" +
                     std::to_string(run.last_iter) + R"(,"hours":)";
  append_number(json, run.hours, 7);
  json += R"(,"tokens":)";
  append_number(json, run.tokens_per_iteration(), 15);
  json += R"(,"broken":)" + std::to_string(run.broken_lines) + R"(,"superseded":)" +
          std::to_string(run.superseded);
  json += R"(,"config":)" + json_of(run.config) + R"(,"changes":)" + json_of(run.changes);
  json += R"(,"series":)" + json_of(run.series);
  json += R"(,"marks":)" + json_list(run.marks, '[', ']', plain);
  json += R"(,"samples":)" + json_list(run.samples, '[', ']', plain);
  return json + R"(,"memory":)" + json_list(run.memory, '[', ']', plain) + "}";
}

void replace(std::string& text, std::string_view what, std::string_view with) {
  const auto at = text.find(what);
  if (at != std::string::npos) text.replace(at, what.size(), with);
}

}  // namespace

std::string report_json(const std::vector<RunData>& runs, bool watched, std::uint64_t stamp) {
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  std::string json = R"({"generated":)";
  append_number(json, now, 13);
  json += R"(,"watched":)" + std::string(watched ? "true" : "false");
  json += R"(,"stamp":)" + std::to_string(stamp) + R"(,"runs":)";
  return json + json_list(runs, '[', ']', [](const RunData& run) { return json_of(run); }) + "}";
}

// What a run wrote cannot end the element that holds it: there is no `<` in it.
std::string report_page(const std::string& json) {
  std::string page(kPage_html), safe;
  safe.reserve(json.size());
  for (const char c : json)
    if (c == '<')
      safe += "\\u003c";
    else
      safe += c;
  replace(page, "@@STYLE@@", kPage_css);
  replace(page, "@@SCRIPT@@",
          std::string(kCharts_js) + std::string(kLayers_js) + std::string(kPage_js));
  replace(page, "@@DATA@@", safe);
  return page;
}

}  // namespace gpt
