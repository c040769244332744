#include "gpt/kernels/device_choices.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

#include <ATen/Context.h>
#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/json.h"

namespace gpt {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::pair<AttentionKernel, const char*> kAttentionNames[] = {
    {AttentionKernel::kPlain, "plain"},         {AttentionKernel::kCpuFlash, "CPU flash"},
    {AttentionKernel::kFlash, "flash"},         {AttentionKernel::kCudnn, "cuDNN"},
    {AttentionKernel::kEfficient, "efficient"}, {AttentionKernel::kTiled, "tiled"}};

constexpr std::pair<GemmLevel, const char*> kLevelNames[] = {
    {GemmLevel::kTuned, "tuned"}, {GemmLevel::kFirst, "first"}, {GemmLevel::kAten, "at::mm"}};

struct Current {
  std::mutex mutex;
  std::shared_ptr<const DeviceChoices> choices;
  std::atomic<std::int64_t> version{0};
  std::atomic<bool> kernels{true};
};

Current& current() {
  static Current one;
  return one;
}

// at::scaled_dot_product_attention, which the eager engine calls, chooses among those that its
// context allows.
void allow_for_autograd(const std::optional<DeviceChoices>& choices) {
  const auto allowed = [&](AttentionKernel kernel) {
    return !choices || std::find(choices->attention.begin(), choices->attention.end(), kernel) !=
                           choices->attention.end();
  };
  at::Context& context = at::globalContext();
  context.setSDPUseFlash(allowed(AttentionKernel::kFlash) || allowed(AttentionKernel::kCpuFlash));
  context.setSDPUseMemEfficient(allowed(AttentionKernel::kEfficient));
  context.setSDPUseCuDNN(allowed(AttentionKernel::kCudnn));
}

DeviceChoices choices_of(const Json& json) {
  DeviceChoices choices;
  for (const Json& name : json.at("attention")) {
    const auto kernel = attention_named(name.get<std::string>());
    if (!kernel) throw InputError("'" + name.get<std::string>() + "' is no attention kernel");
    choices.attention.push_back(*kernel);
  }
  choices.tiled_attention = json.value("tiled_attention", false);  // manifests before it was there
  const auto level = json.at("gemm_level").get<std::string>();
  bool found = false;
  for (const auto& [value, name] : kLevelNames)
    if (level == name) {
      choices.gemm_level = value;
      found = true;
    }
  if (!found) throw InputError("'" + level + "' is no level of matrix products");
  for (const auto& [shape, algorithm] : json.at("gemm").items())
    choices.gemm[shape] =
        algorithm.is_null() ? std::nullopt : std::optional(algorithm.get<GemmAlgorithm>());
  json.at("kernels").get_to(choices.kernels);
  json.at("fused").get_to(choices.fused);
  json.at("graphs").get_to(choices.graphs);
  json.at("expandable_segments").get_to(choices.expandable_segments);
  json.at("machine").get_to(choices.machine);
  return choices;
}

}  // namespace

const char* attention_name(AttentionKernel kernel) {
  for (const auto& [value, name] : kAttentionNames)
    if (value == kernel) return name;
  return "";
}

std::optional<AttentionKernel> attention_named(std::string_view name) {
  for (const auto& [value, known] : kAttentionNames)
    if (name == known) return value;
  return std::nullopt;
}

std::shared_ptr<const DeviceChoices> device_choices() {
  const std::scoped_lock lock(current().mutex);
  return current().choices;
}

void set_device_choices(const std::optional<DeviceChoices>& choices) {
  const std::scoped_lock lock(current().mutex);
  current().choices = choices ? std::make_shared<const DeviceChoices>(*choices) : nullptr;
  current().kernels = !choices || choices->kernels;
  allow_for_autograd(choices);
  ++current().version;
}

std::int64_t device_choices_version() {
  return current().version;
}

bool own_kernels_allowed() {
  return current().kernels.load(std::memory_order_relaxed);
}

std::string to_json(const DeviceChoices& choices) {
  Json json;
  json["attention"] = Json::array();
  for (const AttentionKernel kernel : choices.attention)
    json["attention"].push_back(attention_name(kernel));
  json["tiled_attention"] = choices.tiled_attention;
  for (const auto& [value, name] : kLevelNames)
    if (value == choices.gemm_level) json["gemm_level"] = name;
  json["gemm"] = Json::object();
  for (const auto& [shape, algorithm] : choices.gemm)
    json["gemm"][shape] = algorithm ? Json(*algorithm) : Json();
  json["kernels"] = choices.kernels;
  json["fused"] = choices.fused;
  json["graphs"] = choices.graphs;
  json["expandable_segments"] = choices.expandable_segments;
  json["machine"] = choices.machine;
  return json.dump(1, ' ', false, Json::error_handler_t::replace);
}

DeviceChoices parse_device_choices(std::string_view text, const std::string& origin) {
  try {
    return choices_of(parse_ordered_json(text, origin));
  } catch (const Json::exception& error) {
    throw InputError(origin + ": " + error.what());
  } catch (const InputError& error) {
    throw InputError(origin + ": " + error.what());
  }
}

}  // namespace gpt
