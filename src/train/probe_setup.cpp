#include "gpt/train/probe_setup.h"

#include <cstdlib>
#include <filesystem>

#include "gpt/base/error.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/base/user_folders.h"
#include "gpt/base/version.h"
#include "gpt/config/option.h"
#include "gpt/device/device.h"
#include "gpt/device/library_versions.h"
#include "gpt/device/nvml.h"
#include "gpt/probe/ask.h"

namespace gpt {

namespace {

// Of what is checked, or of the plan that sizes it.
constexpr const char* kProbeKeys[] = {"device",
                                      "dtype",
                                      "compile",
                                      "compile_mode",
                                      "deterministic",
                                      "n_layer",
                                      "n_head",
                                      "n_embd",
                                      "bias",
                                      "vocab_size",
                                      "gelu",
                                      "attention",
                                      "dropout",
                                      "document_mask",
                                      "block_size",
                                      "batch_size",
                                      "gradient_accumulation_steps",
                                      "micro_batch_size",
                                      "eval_batch_size",
                                      "head_chunk",
                                      "memory_limit",
                                      "recompute",
                                      "optimizer",
                                      "optimizer_offload",
                                      "allocator"};

// The program as it is now, whether or not it was built from a commit.
std::string build_text() {
  std::error_code ignored;
  const std::filesystem::path self = "/proc/self/exe";
  const auto size = std::filesystem::file_size(self, ignored);
  const auto time = std::filesystem::last_write_time(self, ignored).time_since_epoch().count();
  return concat("gpttrain ", version(), " ", commit(), " ", size, " ", time);
}

std::string machine_text(const c10::Device& device) {
  const DeviceFacts facts = device_facts(device.index());
  const LibraryVersions libraries = library_versions();
  const auto nvml = Nvml::load();
  return concat(facts.cuda_name, ", capability ", facts.cuda_capability, ", driver ",
                nvml ? nvml->driver_version() : "unknown", ", CUDA ", libraries.cuda, ", cuDNN ",
                libraries.cudnn, ", cuBLAS ", libraries.cublas, ", LibTorch ", libraries.libtorch,
                ", ", build_text());
}

std::string choices_text(const ProbeReport& report) {
  const DeviceChoices& choices = report.choices;
  std::string text = "attention ";
  text += choices.attention.empty() ? "plain" : attention_name(choices.attention.front());
  if (!choices.gemm.empty())
    text += concat(", algorithms of ", choices.gemm.size(), " matrix products");
  return text + (choices.fused ? ", fused engine" : ", eager engine");
}

// What was proved on this machine by the run that saved it holds for the run that resumes it.
std::optional<DeviceChoices> saved_choices(const std::string& saved, const std::string& machine) {
  if (saved.empty()) return std::nullopt;
  DeviceChoices choices = parse_device_choices(saved, "the checkpoint's manifest (choices)");
  if (choices.machine == machine) return choices;
  log_info(
      "probe: the checkpoint was made with another card, driver or build, so that this one "
      "is probed");
  return std::nullopt;
}

void adopt_choices(const DeviceChoices& choices, TrainConfig& config) {
  set_device_choices(choices);
  if (!choices.fused) config.system.compile = false;
  if (!choices.graphs) config.system.compile_mode = "default";
  const std::string& allocator = config.memory.allocator;
  if (!choices.expandable_segments && (allocator == "auto" || allocator == "expandable_segments"))
    config.memory.allocator = "native";
}

}  // namespace

ProbeWants probe_wants(const TrainConfig& config, const Compute& compute) {
  const std::string& allocator = config.memory.allocator;
  const bool told = std::getenv("PYTORCH_ALLOC_CONF") || std::getenv("PYTORCH_CUDA_ALLOC_CONF");
  ProbeWants wants{
      .fused = config.system.compile,
      .graphs = config.system.compile_mode == "reduce-overhead",
      .expandable_segments = allocator == "expandable_segments" || (allocator == "auto" && !told)};
  if (compute.device.is_cpu()) {
    wants.expandable_segments = false;
    return wants;
  }
  const int capability = device_facts(compute.device.index()).cuda_capability;
  wants.cudnn_first = capability == 90 || capability == 100;
  return wants;
}

std::vector<std::string> probe_arguments(const TrainConfig& config, const Compute& compute) {
  TrainConfig asked = config;
  asked.system.device = compute.device.str();
  std::vector<std::string> arguments;
  for (const Option& option : options_of(asked))
    for (const char* key : kProbeKeys) {
      if (std::string_view(option.key) != key) continue;
      const auto* text = std::get_if<std::string*>(&option.value);
      arguments.push_back(concat("--", key, "=", text ? **text : value_text(option)));
    }
  return arguments;
}

std::vector<StepDown> settle_by_probe(TrainConfig& config, const Compute& compute,
                                      const std::string& saved) {
  if (!compute.device.is_cuda()) return {};
  const std::string machine = machine_text(compute.device);
  if (const auto choices = saved_choices(saved, machine)) {
    adopt_choices(*choices, config);
    return {};
  }
  const std::vector<std::string> arguments = probe_arguments(config, compute);
  ProbeQuestion question{.key = machine + " " + join(arguments, " "),
                         .machine = machine,
                         .wants = probe_wants(config, compute),
                         .command = {"/proc/self/exe", "probe"},
                         .folder = cache_folder()};
  question.command.insert(question.command.end(), arguments.begin(), arguments.end());
  return settle_by_answer(question, config);
}

std::vector<StepDown> settle_by_answer(const ProbeQuestion& question, TrainConfig& config) {
  const std::string name = question.machine.substr(0, question.machine.find(','));
  ProbeReport report;
  try {
    report = ask_probe(question);
  } catch (const IoError& error) {
    log_warning(concat(error.what(), "; ", name, " is used unprobed"));
    return {};
  }
  const std::string found = concat("probe of ", name, ": ", report.checks.size(), " checks in ",
                                   format("%.1f s", report.seconds), ": ", choices_text(report));
  log_info(report.known ? concat(found, " (known from ",
                                 probe_file(*question.folder, question.key).string(), ")")
                        : found);
  for (const StepDown& step : report.steps) log_warning("probe: " + step.text());
  if (!report.unusable.empty())
    throw ProbeError(concat("nothing can be computed on ", name, ": ", report.unusable,
                            "; --device=cpu uses the CPU"));
  adopt_choices(report.choices, config);
  return report.steps;
}

void record_steps(const std::vector<StepDown>& steps, MetricsSink& metrics) {
  for (const StepDown& step : steps)
    metrics.write(
        "probe",
        {{"ladder", step.ladder}, {"from", step.from}, {"to", step.to}, {"why", step.why}});
}

}  // namespace gpt
