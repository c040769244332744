#include "gpt/config/option.h"

#include <charconv>
#include <cmath>

#include "gpt/config/data_show_config.h"
#include "gpt/config/tokenizer_config.h"

namespace gpt {

namespace {

template <class Section>
void add(std::vector<Option>& list, const char* title, Section& section) {
  for_each_field<Section>([&](auto field) {
    auto& value = section.*field.member;
    list.push_back({title, field.key, field.doc, &value,
                    [&value, check = field.check] { return check.holds(value); },
                    field.check.says()});
  });
}

template <class... Sections>
std::vector<Option> listed(const char* title, Sections&... sections) {
  std::vector<Option> list;
  (add(list, title, sections), ...);
  return list;
}

}  // namespace

std::vector<Option> options_of(TrainConfig& config) {
  std::vector<Option> list;
  add(list, "Input and output", config.io);
  add(list, "Data", config.data);
  add(list, "Model", config.model);
  add(list, "Optimizer", config.optimizer);
  add(list, "Schedule", config.schedule);
  add(list, "Monitoring", config.monitor);
  add(list, "Memory", config.memory);
  add(list, "System", config.system);
  return list;
}

std::vector<Option> options_of(PlanConfig& config) {
  return listed("Planning", config);
}

std::vector<Option> options_of(BenchConfig& config) {
  return listed("Measuring", config);
}

std::vector<Option> options_of(ReportConfig& config) {
  return listed("Reporting", config);
}

std::vector<Option> options_of(SampleConfig& config) {
  return listed("Sampling", config.open, config);
}

std::vector<Option> options_of(EvalConfig& config) {
  return listed("Evaluating", config.open, config);
}

std::vector<Option> options_of(PrepareConfig& config) {
  return listed("Preparing data", config);
}

std::vector<Option> options_of(TokenizerTrainConfig& config) {
  return listed("Training a tokenizer", config);
}

std::vector<Option> options_of(DataShowConfig& config) {
  return listed("Looking at data", config);
}

std::vector<Option> options_of(ImportConfig& config) {
  return listed("Import", config);
}

std::vector<Option> options_of(ExportConfig& config) {
  return listed("Export", config);
}

std::string number_text(double value) {
  // 0.0006 reads better than to_chars' shorter 6e-04.
  const bool plain = std::abs(value) >= 1e-4 && std::abs(value) < 1e15;
  char text[64];
  char* const end = text + sizeof text;
  return {text, plain ? std::to_chars(text, end, value, std::chars_format::fixed).ptr
                      : std::to_chars(text, end, value).ptr};
}

namespace {

struct ValueText {
  std::string operator()(const bool* v) const { return *v ? "True" : "False"; }
  std::string operator()(const std::int64_t* v) const { return std::to_string(*v); }
  std::string operator()(const std::string* v) const { return *v; }
  std::string operator()(const AutoInt* v) const {
    return v->value ? std::to_string(*v->value) : "auto";
  }
  std::string operator()(const double* v) const { return number_text(*v); }
};

}  // namespace

std::string value_text(const Option& option) {
  return std::visit(ValueText{}, option.value);
}

}  // namespace gpt
