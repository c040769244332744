#include "gpt/metrics/run_data.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <set>

#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/json.h"
#include "gpt/base/strings.h"
#include "gpt/metrics/history.h"
#include "gpt/metrics/metric_names.h"

#include "log_marks.h"

namespace gpt {

namespace {

// What a file from elsewhere may ask for.
constexpr std::size_t kMostSeries = 3000, kMostMarks = 1000, kMostSamples = 500;
constexpr std::size_t kLongestText = 20000;
// Statistics by layer are hundreds of series, shown as a map that is some thousand pixels wide.
constexpr std::size_t kMostLayerBuckets = 1000;

std::string shortened(std::string text) {
  if (text.size() <= kLongestText) return text;
  return text.substr(0, kLongestText) + " ...";
}

// Takes the events of a run one after the other.
class Collector {
 public:
  Collector(RunData& run, std::size_t buckets) : run_(run), buckets_(buckets) {}

  void take(const MetricsEvent& event) {
    entries_.assign(event.values.begin(), event.values.end());
    const std::vector<MetricsSink::Entry>& entries = entries_;
    keep_time(event);
    if (event.iter >= 0 && event.name == "train") run_.last_iter = event.iter;
    add_numbers(event, entries);
    if (event.name == "config")
      for (const auto& [key, value] : entries)
        if (const auto* text = std::get_if<std::string>(&value))
          run_.changes.emplace_back(key, shortened(*text));
    if (event.name == "memory") take_memory(entries, event.iter);
    if (event.name == "sample") take_sample(entries, event.iter);
    mark(event, event_text(event.name, entries));
  }

  const std::vector<TimedIteration>& times() const { return times_; }

 private:
  void keep_time(const MetricsEvent& event) {
    if (event.time <= 0) return;
    if (is_restart(event.name)) {
      base_hours_ = run_.hours;
      part_begun_ = event.time;
    }
    if (part_begun_ == 0) part_begun_ = event.time;
    if (run_.begun == 0) run_.begun = event.time;
    run_.updated = std::max(run_.updated, event.time);
    run_.hours = std::max(run_.hours, base_hours_ + (event.time - part_begun_) / 3600);
    if (event.iter >= 0 && (times_.empty() || event.time >= times_.back().time + 1))
      times_.push_back({event.time, event.iter});
  }

  // A value of an event, and where it goes.
  struct Column {
    std::string key, name;     // name: "" for what is not shown
    Series* series = nullptr;  // once there is one
  };

  // Events of one name have the same values at the same places, most of the time.
  void add_numbers(const MetricsEvent& event, const std::vector<MetricsSink::Entry>& entries) {
    auto found = columns_.find(event.name);
    if (found == columns_.end()) {
      if (columns_.size() >= kMostSeries) columns_.clear();
      found = columns_.emplace(event.name, std::vector<Column>()).first;
    }
    std::vector<Column>& columns = found->second;
    columns.resize(std::max(columns.size(), entries.size()));
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const auto& [key, value] = entries[i];
      const auto number = shown_number(key, value);
      if (!number) continue;
      Column& column = columns[i];
      if (column.key != key || event.name == "memory")
        column = {std::string(key), shown_name(event.name, key, entries), nullptr};
      if (!column.name.empty()) add(event, column, *number);
    }
  }

  void add(const MetricsEvent& event, Column& column, double value) {
    if (!std::isfinite(value)) {
      mark("not finite", event, column.name);
      return;
    }
    if (!column.series) {
      auto found = run_.series.find(column.name);
      if (found == run_.series.end()) {
        if (run_.series.size() >= kMostSeries) return;
        const bool layer = event.name == "stats" && column.key.find('/') != std::string::npos;
        const std::size_t buckets = layer ? std::min(buckets_, kMostLayerBuckets) : buckets_;
        found = run_.series.emplace(column.name, Series(buckets)).first;
      }
      column.series = &found->second;
    }
    column.series->add({std::max<std::int64_t>(event.iter, 0), run_.hours, value});
  }

  void take_memory(const std::vector<MetricsSink::Entry>& entries, std::int64_t iter) {
    MemoryPeak peak{.iter = iter, .of = "", .predicted_mib = 0, .measured_mib = 0};
    for (const auto& [key, value] : entries) {
      const auto* number = std::get_if<double>(&value);
      const auto* text = std::get_if<std::string>(&value);
      if (key == "of" && text) peak.of = *text;
      if (key == "predicted_mib" && number) peak.predicted_mib = *number;
      if (key == "measured_mib" && number) peak.measured_mib = *number;
    }
    if (run_.memory.size() < kMostMarks) run_.memory.push_back(peak);
  }

  void take_sample(const std::vector<MetricsSink::Entry>& entries, std::int64_t iter) {
    RunSample sample{.iter = iter, .prompt = "", .text = ""};
    for (const auto& [key, value] : entries) {
      const auto* text = std::get_if<std::string>(&value);
      if (text && key == "prompt") sample.prompt = shortened(*text);
      if (text && key == "text") sample.text = shortened(*text);
    }
    // The newest say more than the oldest.
    if (run_.samples.size() == kMostSamples) run_.samples.erase(run_.samples.begin());
    run_.samples.push_back(sample);
  }

  void mark(const MetricsEvent& event, const std::string& text) {
    static const std::set<std::string, std::less<>> kQuiet{"train",  "eval",   "task",  "stats",
                                                           "memory", "sample", "config"};
    static const std::set<std::string, std::less<>> kErrors{"checkpoint_failed"};
    static const std::set<std::string, std::less<>> kPlain{"start", "resume", "stop", "end",
                                                           "checkpoint"};
    if (event.name == "stop" || event.name == "end")
      run_.state = event.name == "end" ? "done" : "stopped by " + text;
    else if (event.name != "checkpoint")
      run_.state.clear();
    if (kQuiet.contains(event.name)) return;
    const std::string kind = kPlain.contains(event.name)    ? event.name
                             : kErrors.contains(event.name) ? "error"
                                                            : "warning";
    // Some texts name the event themselves.
    const bool named = kind == event.name || text.find(event.name) != std::string::npos;
    mark(kind, event, named ? text : event.name + ": " + text);
  }

  void mark(const std::string& kind, const MetricsEvent& event, const std::string& text) {
    auto& marks = run_.marks;
    if (!marks.empty() && marks.back().kind == kind && marks.back().text == text &&
        kind == "not finite") {
      ++marks.back().times;
      return;
    }
    if (marks.size() == kMostMarks) {
      const auto dull = std::find_if(marks.begin(), marks.end(),
                                     [](const RunMark& m) { return m.kind == "checkpoint"; });
      if (dull == marks.end()) return;
      marks.erase(dull);
    }
    marks.push_back({event.iter, event.time, kind, shortened(text), 1});
  }

  RunData& run_;
  std::size_t buckets_;
  std::vector<MetricsSink::Entry> entries_;             // of the event that is taken
  std::map<std::string, std::vector<Column>> columns_;  // by the event's name
  std::vector<TimedIteration> times_;
  double base_hours_ = 0, part_begun_ = 0;
};

void read_config(RunData& run, const fs::path& file) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 20;
  if (!file_exists(file)) return;
  try {
    const nlohmann::ordered_json config =
        parse_ordered_json(read_small_file(file, kMost, "a configuration"), file.string());
    if (!config.is_object()) return;
    for (const auto& [key, value] : config.items())
      run.config.emplace_back(
          key, shortened(value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)));
  } catch (const Error& error) {
    run.marks.push_back({0, run.begun, "warning", error.what(), 1});
  }
}

// As it is where the current folder is gone.
fs::path whole_path(const std::string& folder) {
  std::error_code error;
  const fs::path path = fs::absolute(folder.empty() ? "." : folder, error);
  return error ? fs::path(folder) : path.lexically_normal();
}

std::string state_of(const RunData& run) {
  constexpr double kQuiet = 300;  // seconds: most runs log every few
  if (!run.state.empty()) return run.state;
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  return now - run.updated < kQuiet ? "running" : "broken off";
}

}  // namespace

double RunData::option(const std::string& key, double otherwise) const {
  for (const auto& [option, text] : config) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (option == key && error == std::errc() && end == text.data() + text.size()) return value;
  }
  return otherwise;
}

double RunData::tokens_per_iteration() const {
  return option("batch_size", 0) * option("block_size", 0) *
         option("gradient_accumulation_steps", 1);
}

RunData read_run_files(const fs::path& metrics, const fs::path& config, const fs::path& log,
                       std::size_t points) {
  RunData run;
  Collector collector(run, std::max<std::size_t>(points / 2, 2));
  const HistoryFacts facts =
      read_history(metrics, [&](const MetricsEvent& event) { collector.take(event); });
  if (facts.lines == facts.broken)
    throw InputError(concat(metrics.string(), ": holds no event of a run (", facts.lines,
                            " lines looked at); expected what `gpttrain train` writes"));
  run.broken_lines = facts.broken;
  run.superseded = facts.superseded;
  read_config(run, config);
  add_log_marks(run.marks, collector.times(), log, kMostMarks);
  run.state = state_of(run);
  return run;
}

RunData read_run(const fs::path& out_dir, std::size_t points) {
  const fs::path metrics = out_dir / "metrics.jsonl";
  if (!file_exists(metrics))
    throw InputError(concat(out_dir.string(),
                            ": holds no metrics.jsonl; expected the out_dir of a ",
                            "run, as `gpttrain train --out_dir=", out_dir.string(), "` makes it"));
  RunData run = read_run_files(metrics, out_dir / "config.json", out_dir / "train.log", points);
  run.folder = out_dir.string();
  return run;
}

void name_runs(std::vector<RunData>& runs) {
  for (RunData& run : runs) {
    const fs::path path = whole_path(run.folder);
    std::vector<std::string> parts;
    for (const fs::path& part : path)
      if (!part.empty() && part != "/") parts.push_back(part.string());
    run.name.clear();
    const auto taken = [&] {
      return std::any_of(runs.begin(), runs.end(), [&](const RunData& other) {
        const std::string theirs = whole_path(other.folder).string();
        const std::string mine = "/" + run.name;
        return &other != &run && (theirs.ends_with(mine) || theirs.ends_with(mine + "/"));
      });
    };
    do {
      if (parts.empty()) break;
      run.name = run.name.empty() ? parts.back() : parts.back() + "/" + run.name;
      parts.pop_back();
    } while (taken());
  }
}

}  // namespace gpt
