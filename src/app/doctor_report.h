// The facts and the verdict, for people and for programs.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "app/doctor_facts.h"
#include "app/doctor_verdict.h"

namespace gpt {

// {"program", "libraries", "gpu", "system", "cpu", "memory", "disk", "limits", "environment",
// "config", "plan", "verdict": {"findings": [{"level", "what", "next"}], "next"}}; bytes, and null
// for what is unknown or unlimited.
nlohmann::ordered_json to_json(const DoctorFacts& facts, const std::vector<Finding>& findings);

// The same as lines to read and to paste.
std::string doctor_text(const DoctorFacts& facts, const std::vector<Finding>& findings);

// That of this machine, without a config, to stdout: for runs that cannot use it.
void print_doctor_report();

}  // namespace gpt
