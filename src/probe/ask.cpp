#include "gpt/probe/ask.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <poll.h>
#include <span>
#include <unistd.h>
#include <utility>

#include <nlohmann/json.hpp>

#include "gpt/base/checksum.h"
#include "gpt/base/child_process.h"
#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/json.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kMostReport = std::uint64_t{4} << 20;
constexpr std::size_t kMostLine = std::size_t{1} << 20;

// One child, from its start to its end.
class Prober {
 public:
  Prober(const ProbeQuestion& question, std::vector<CheckResult>& findings)
      : question_(question), findings_(findings) {}

  // False: it ended before it was done, and there is a new finding for it.
  bool run() {
    std::vector<std::string> command = question_.command;
    std::vector<CheckResult> bad;
    for (const CheckResult& finding : findings_)
      if (finding.bad() && !finding.algorithm) bad.push_back(finding);
    if (!bad.empty()) command.push_back("--earlier=" + findings_text(bad));
    const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ChildProcess child(command, nothing);
    close(nothing);
    const bool silent = !read(child.output());
    if (silent) {
      child.stop();
      blame(Verdict::kSilent, format("no answer in %.0f s", question_.patience));
      return false;
    }
    const std::string end = child.wait();
    if (done_) return true;
    if (gave_up_) return false;
    const std::string words = end.starts_with("exit") ? child.last_words() : "";
    blame(Verdict::kFailed, concat("its process: ", end.empty() ? "ended before it was done" : end,
                                   words.empty() ? "" : ": ", words));
    return false;
  }

 private:
  // Until the child closes its output; false if it says nothing for too long.
  bool read(int output) {
    std::string buffer;
    auto heard = Clock::now();
    while (true) {
      const double left =
          question_.patience - std::chrono::duration<double>(Clock::now() - heard).count();
      if (left <= 0) return false;
      pollfd ready{output, POLLIN, 0};
      if (poll(&ready, 1, static_cast<int>(std::min(left, 1e6) * 1e3) + 1) <= 0) continue;
      char bytes[4096];
      const ssize_t count = ::read(output, bytes, sizeof bytes);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return true;
      buffer.append(bytes, static_cast<std::size_t>(count));
      for (std::size_t end; (end = buffer.find('\n')) != std::string::npos;) {
        if (take(buffer.substr(0, end))) heard = Clock::now();
        buffer.erase(0, end + 1);
      }
      if (buffer.size() > kMostLine) buffer.clear();  // no line of a probe is as long
    }
  }

  bool take(const std::string& text) {
    auto line = parse_probe_line(text);
    if (!line) return false;
    switch (line->kind) {
      case ProbeLine::kBegins:
        under_way_ = std::move(line->result);
        break;
      case ProbeLine::kResult:
        gave_up_ = gave_up_ || line->result.verdict == Verdict::kFailed;
        record(findings_, std::move(line->result));
        under_way_ = {.check = kCheckDevice, .item = "between two checks"};
        break;
      case ProbeLine::kDone:
        done_ = true;
        break;
    }
    return true;
  }

  void blame(Verdict verdict, const std::string& what) {
    under_way_.verdict = verdict;
    under_way_.what = what;
    record(findings_, under_way_);
  }

  const ProbeQuestion& question_;
  std::vector<CheckResult>& findings_;
  CheckResult under_way_{.check = kCheckDevice, .item = "start"};
  bool done_ = false;
  bool gave_up_ = false;  // it has said itself why it ends
};

std::optional<ProbeReport> known_report(const ProbeQuestion& question) {
  if (!question.folder) return std::nullopt;
  const auto file = probe_file(*question.folder, question.key);
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) return std::nullopt;
  try {
    ProbeReport report =
        parse_probe_report(read_small_file(file, kMostReport, "what a probe found"), file.string());
    if (report.key != question.key) return std::nullopt;  // another with the same checksum
    report.known = true;
    return report;
  } catch (const Error& error) {
    log_info(concat(error.what(), "; the device is probed again"));
    return std::nullopt;
  }
}

void keep(const ProbeQuestion& question, const ProbeReport& report) {
  // What there was no memory to check, another run may have the memory for.
  const bool whole =
      std::none_of(report.checks.begin(), report.checks.end(),
                   [](const CheckResult& check) { return check.verdict == Verdict::kSkipped; });
  if (!question.folder || !report.unusable.empty() || !whole) return;
  try {
    make_directories(*question.folder / "probe");
    replace_file(probe_file(*question.folder, question.key),
                 to_json(report).dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
  } catch (const Error& error) {
    log_info(concat(error.what(), "; the next run probes the device again"));
  }
}

}  // namespace

ProbeReport ask_probe(const ProbeQuestion& question) {
  if (auto known = known_report(question)) return *known;
  constexpr int kMostProcesses = 16;  // more than the ladders have rungs
  const auto start = Clock::now();
  std::vector<CheckResult> findings;
  ProbeReport report;
  for (int process = 0; process < kMostProcesses; ++process) {
    const bool done = Prober(question, findings).run();
    report = settle(findings, question.wants);
    if (done || !report.unusable.empty()) break;
  }
  report.key = question.key;
  report.choices.machine = question.machine;
  report.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  keep(question, report);
  return report;
}

std::filesystem::path probe_file(const std::filesystem::path& folder, const std::string& key) {
  const auto bytes = std::as_bytes(std::span(key.data(), key.size()));
  return folder / "probe" / (hex32(crc32c(bytes)) + ".json");
}

std::string probe_line(const ProbeLine& line) {
  Json json;
  if (line.kind == ProbeLine::kDone) json["done"] = true;
  if (line.kind == ProbeLine::kResult) json["result"] = to_json(line.result);
  if (line.kind == ProbeLine::kBegins)
    json["begins"] = {
        {"check", line.result.check}, {"item", line.result.item}, {"shape", line.result.shape}};
  return json.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
}

std::optional<ProbeLine> parse_probe_line(const std::string& text) {
  if (!text.starts_with("{")) return std::nullopt;
  try {
    const Json json = parse_ordered_json(text, "a probe's line");
    if (json.contains("done")) return ProbeLine{ProbeLine::kDone, {}};
    if (json.contains("result"))
      return ProbeLine{ProbeLine::kResult, check_result_of(json.at("result"))};
    const Json& begins = json.at("begins");
    return ProbeLine{ProbeLine::kBegins,
                     {.check = begins.at("check").get<std::string>(),
                      .item = begins.at("item").get<std::string>(),
                      .shape = begins.at("shape").get<std::string>()}};
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

std::string findings_text(const std::vector<CheckResult>& findings) {
  Json json = Json::array();
  for (const CheckResult& finding : findings) json.push_back(to_json(finding));
  return json.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
}

std::vector<CheckResult> parse_findings(const std::string& text) {
  std::vector<CheckResult> findings;
  try {
    for (const Json& json : parse_ordered_json(text, "--earlier"))
      findings.push_back(check_result_of(json));
  } catch (const Json::exception& error) {
    throw InputError(concat("--earlier: ", error.what()));
  }
  return findings;
}

}  // namespace gpt
