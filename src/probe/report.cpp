#include "gpt/probe/report.h"

#include <cmath>
#include <limits>
#include <utility>

#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/json.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kReportFormat = "gpttrain-probe-1";
constexpr const char* kVerdicts[] = {"right", "wrong", "refused", "failed", "silent", "skipped"};

// JSON has no NaN and no infinity: null.
Json number_or_null(double value) {
  return std::isfinite(value) ? Json(value) : Json();
}

double number_of(const Json& json) {
  return json.is_null() ? std::numeric_limits<double>::quiet_NaN() : json.get<double>();
}

Verdict verdict_of(const std::string& name) {
  for (std::size_t i = 0; i < std::size(kVerdicts); ++i)
    if (name == kVerdicts[i]) return static_cast<Verdict>(i);
  throw InputError("'" + name + "' is no verdict");
}

ProbeReport report_of(const Json& json, const std::string& origin) {
  if (json.at("format") != kReportFormat)
    throw InputError(concat("format is not ", kReportFormat, "; written by another version?"));
  ProbeReport report;
  json.at("key").get_to(report.key);
  json.at("seconds").get_to(report.seconds);
  json.at("unusable").get_to(report.unusable);
  report.choices = parse_device_choices(json.at("choices").dump(), origin);
  for (const Json& step : json.at("steps"))
    report.steps.push_back({step.at("ladder").get<std::string>(),
                            step.at("from").get<std::string>(), step.at("to").get<std::string>(),
                            step.at("why").get<std::string>()});
  for (const Json& check : json.at("checks")) report.checks.push_back(check_result_of(check));
  return report;
}

}  // namespace

const char* verdict_name(Verdict verdict) {
  return kVerdicts[static_cast<std::size_t>(verdict)];
}

std::string CheckResult::text() const {
  std::string text =
      concat(check, " ", item, shape.empty() ? "" : " of ", shape, ": ", verdict_name(verdict));
  if (verdict == Verdict::kWrong && what.empty())
    return text + format(": error %.2g, at most %.2g", error, limit);
  return what.empty() ? text : text + ": " + what;
}

void record(std::vector<CheckResult>& findings, CheckResult result) {
  for (CheckResult& before : findings)
    if (before.check == result.check && before.item == result.item &&
        before.shape == result.shape && before.algorithm == result.algorithm) {
      before = std::move(result);
      return;
    }
  findings.push_back(std::move(result));
}

std::string StepDown::text() const {
  return concat(ladder, ": ", to, " instead of ", from, ": ", why);
}

Json to_json(const CheckResult& result) {
  Json json{{"check", result.check},
            {"item", result.item},
            {"verdict", verdict_name(result.verdict)},
            {"error", number_or_null(result.error)},
            {"limit", result.limit},
            {"seconds", result.seconds}};
  if (result.milliseconds > 0) json["milliseconds"] = result.milliseconds;
  if (!result.shape.empty()) json["shape"] = result.shape;
  if (result.algorithm) json["algorithm"] = *result.algorithm;
  if (!result.what.empty()) json["what"] = result.what;
  return json;
}

CheckResult check_result_of(const Json& json) {
  CheckResult result;
  json.at("check").get_to(result.check);
  json.at("item").get_to(result.item);
  result.verdict = verdict_of(json.at("verdict").get<std::string>());
  result.error = number_of(json.at("error"));
  json.at("limit").get_to(result.limit);
  json.at("seconds").get_to(result.seconds);
  if (json.contains("milliseconds")) json.at("milliseconds").get_to(result.milliseconds);
  if (json.contains("shape")) json.at("shape").get_to(result.shape);
  if (json.contains("algorithm")) result.algorithm = json.at("algorithm").get<GemmAlgorithm>();
  if (json.contains("what")) json.at("what").get_to(result.what);
  return result;
}

Json to_json(const ProbeReport& report) {
  Json json{{"format", kReportFormat},
            {"key", report.key},
            {"seconds", report.seconds},
            {"unusable", report.unusable},
            {"choices", Json::parse(to_json(report.choices))}};
  json["steps"] = Json::array();
  for (const StepDown& step : report.steps)
    json["steps"].push_back(
        {{"ladder", step.ladder}, {"from", step.from}, {"to", step.to}, {"why", step.why}});
  json["checks"] = Json::array();
  for (const CheckResult& result : report.checks) json["checks"].push_back(to_json(result));
  return json;
}

ProbeReport parse_probe_report(std::string_view text, const std::string& origin) {
  try {
    return report_of(parse_ordered_json(text, origin), origin);
  } catch (const Json::exception& error) {
    throw InputError(origin + ": " + error.what());
  }
}

}  // namespace gpt
