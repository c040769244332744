#include <chrono>
#include <unistd.h>

#include "gpt/base/drawing.h"
#include "gpt/base/files.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/config/report_config.h"
#include "gpt/metrics/csv.h"
#include "gpt/metrics/html_report.h"
#include "gpt/metrics/loopback_server.h"
#include "gpt/metrics/run_data.h"
#include "gpt/metrics/terminal_report.h"

#include "app/commands.h"

namespace gpt {

namespace {

constexpr const char* kReportUsage =
    "Usage: gpttrain report OUT_DIR... [--out=report.html] [--watch] [--terminal] [--csv]\n"
    "One HTML page about a run, or several side by side: its curves, memory, samples,\n"
    "statistics, configuration, restarts and warnings. It needs no network, and the run\n"
    "may be under way.\n\n";

std::vector<RunData> read_runs(const std::vector<std::string>& folders, std::int64_t points) {
  std::vector<RunData> runs;
  for (const std::string& folder : folders)
    runs.push_back(read_run(folder, static_cast<std::size_t>(points)));
  name_runs(runs);
  return runs;
}

// The page and its data, read again when a file of a run has changed.
class WatchedReport {
 public:
  WatchedReport(const std::vector<std::string>& folders, std::int64_t points)
      : folders_(folders), points_(points) {
    refresh();
  }

  LoopbackServer::Answer answer(const std::string& path) {
    try {
      refresh();
    } catch (const Error& error) {
      log_warning(concat(error.what(), "; what was read before is shown"));
    }
    if (path == "/" || path.starts_with("/?")) return {200, kHtml, report_page(json_)};
    if (path == "/data.json" || path.starts_with("/data.json?")) {
      if (path.ends_with(concat("?since=", stamp_))) return {204, kJson, ""};
      return {200, kJson, json_};
    }
    return {404, "text/plain", "there is only / and /data.json\n"};
  }

 private:
  static constexpr const char* kHtml = "text/html; charset=utf-8";
  static constexpr const char* kJson = "application/json";
  using Clock = std::chrono::steady_clock;

  // Sizes and times of the files that a report reads.
  std::string state_of_files() const {
    std::string state;
    for (const std::string& folder : folders_)
      for (const char* name : {"metrics.jsonl", "config.json", "train.log"}) {
        std::error_code none;
        const fs::path file = fs::path(folder) / name;
        state += concat(fs::file_size(file, none), ' ');
        state += concat(fs::last_write_time(file, none).time_since_epoch().count(), ' ');
      }
    return state;
  }

  // A long run takes seconds to read; no more than a fifth of the time goes into that.
  void refresh() {
    if (stamp_ > 0 && Clock::now() < next_) return;
    const std::string state = state_of_files();
    if (state == read_) return;
    const Clock::time_point begun = Clock::now();
    const auto runs = read_runs(folders_, points_);
    json_ = report_json(runs, /*watched=*/true, ++stamp_);
    read_ = state;
    next_ = Clock::now() + 4 * (Clock::now() - begun);
  }

  std::vector<std::string> folders_;
  std::int64_t points_;
  std::string json_, read_;
  std::uint64_t stamp_ = 0;
  Clock::time_point next_;
};

ExitCode watch(const std::vector<std::string>& folders, const ReportConfig& report) {
  WatchedReport page(folders, report.points);
  LoopbackServer server(report.port);
  print_line(format("http://127.0.0.1:%d/ shows the report; Ctrl-C ends it", server.port()));
  server.serve([&](const std::string& path) { return page.answer(path); }, [] { return false; });
  return kExitDone;
}

ExitCode write_tables(const std::vector<std::string>& folders) {
  for (const std::string& folder : folders) {
    const fs::path table = fs::path(folder) / "metrics.csv";
    const std::int64_t rows = write_csv(fs::path(folder) / "metrics.jsonl", table);
    print_line(concat("wrote ", table.string(), " (", with_commas(rows), " rows)"));
  }
  return kExitDone;
}

}  // namespace

ExitCode report_command(const Arguments& arguments) {
  ReportConfig report;
  const auto line =
      read_options(arguments, options_of(report), kReportUsage, /*inputs_allowed=*/true);
  if (!line) return kExitDone;
  const std::vector<std::string>& folders = line->inputs;
  if (folders.empty())
    throw InputError("command line: expected the out_dir of a run, e.g. `gpttrain report out`");
  if (report.terminal + report.csv + report.watch > 1)
    throw InputError("command line: --terminal, --csv and --watch exclude each other; choose one");
  if (report.watch) return watch(folders, report);
  if (report.csv) return write_tables(folders);
  const auto runs = read_runs(folders, report.points);
  if (report.terminal) {
    TerminalStyle style = style_of_stdout();
    style.logarithmic = report.log;
    print_drawing(terminal_report(runs, style));
    return kExitDone;
  }
  const fs::path beside = folders.size() == 1 ? fs::path(folders[0]) : fs::path();
  const fs::path page = report.out.empty() ? beside / "report.html" : fs::path(report.out);
  const std::string text = report_page(report_json(runs, /*watched=*/false, 0));
  replace_file(page, text);
  print_line(
      concat("wrote ", page.string(), " (", human_bytes(text.size()), "); any browser shows it"));
  return kExitDone;
}

}  // namespace gpt
