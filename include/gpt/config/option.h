// The fields of a config as a list, so that what reads and writes them needs no templates.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "gpt/config/bench_config.h"
#include "gpt/config/eval_config.h"
#include "gpt/config/export_config.h"
#include "gpt/config/field.h"
#include "gpt/config/import_config.h"
#include "gpt/config/plan_config.h"
#include "gpt/config/prepare_config.h"
#include "gpt/config/report_config.h"
#include "gpt/config/sample_config.h"
#include "gpt/config/train_config.h"

namespace gpt {

struct Option {
  const char* section;  // "Data"
  const char* key;
  const char* doc;
  std::variant<bool*, std::int64_t*, double*, std::string*, AutoInt*> value;  // in the config
  std::function<bool()> holds;  // is the value in range now?
  std::string range;            // what it should be
};

// In the order of declaration. The config must outlive the list.
std::vector<Option> options_of(TrainConfig& config);
std::vector<Option> options_of(PlanConfig& config);
std::vector<Option> options_of(BenchConfig& config);
std::vector<Option> options_of(ReportConfig& config);
std::vector<Option> options_of(SampleConfig& config);
std::vector<Option> options_of(EvalConfig& config);
std::vector<Option> options_of(PrepareConfig& config);
std::vector<Option> options_of(ImportConfig& config);
std::vector<Option> options_of(ExportConfig& config);

// The shortest text that reads back as the same double.
std::string number_text(double value);

// The value as the user would write it: True, 0.1, "text", auto.
std::string value_text(const Option& option);

}  // namespace gpt
