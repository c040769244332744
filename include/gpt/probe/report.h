// What a probe of a device found, and what follows from it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "gpt/kernels/device_choices.h"

namespace gpt {

enum class Verdict {
  kRight,
  kWrong,    // another result than that of the plain operators
  kRefused,  // it says that it does not run here, and the device is none the worse
  kFailed,   // the process died of it, or the device answered nothing after it
  kSilent,   // no answer in time
  kSkipped,  // there was no memory to check it
};
const char* verdict_name(Verdict verdict);

struct CheckResult {
  std::string check;  // "attention"
  std::string item;   // "cuDNN"
  Verdict verdict = Verdict::kRight;
  double error = 0, limit = 0;  // relative
  double seconds = 0;           // that the check took
  double milliseconds = 0;      // of one call; 0: not timed
  std::string shape = {};       // of a matrix product
  std::optional<GemmAlgorithm> algorithm = {};
  std::string what = {};  // why it is not right

  // Is it known to be of no use? What was not checked is not.
  bool bad() const { return verdict != Verdict::kRight && verdict != Verdict::kSkipped; }
  // "attention cuDNN: wrong: error 0.31, at most 0.02"
  std::string text() const;
};

// Adds a finding, in place of an earlier one of the same thing.
void record(std::vector<CheckResult>& findings, CheckResult result);

// A step down a ladder: something is not used that would have been.
struct StepDown {
  std::string ladder;  // "attention"
  std::string from, to;
  std::string why;
  // "attention: flash instead of cuDNN: ..."
  std::string text() const;
  bool operator==(const StepDown&) const = default;
};

struct ProbeReport {
  std::string key;                  // of what was probed: card, driver, libraries, build, shapes
  std::vector<CheckResult> checks;  // in the order in which they ran
  DeviceChoices choices;
  std::vector<StepDown> steps;
  std::string unusable = {};  // why nothing can be computed here; "" if something can
  double seconds = 0;
  bool known = false;  // from the cache
};

nlohmann::ordered_json to_json(const CheckResult& result);
// InputError, or nlohmann's exceptions, for what to_json did not write.
CheckResult check_result_of(const nlohmann::ordered_json& json);

nlohmann::ordered_json to_json(const ProbeReport& report);
// InputError naming `origin`.
ProbeReport parse_probe_report(std::string_view text, const std::string& origin);

}  // namespace gpt
