#include <nlohmann/json.hpp>

#include "gpt/config/printing.h"

#include "app/doctor_report.h"
#include "app/plan_json.h"

namespace gpt {

namespace {

using Json = nlohmann::ordered_json;

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

Json gpu_json(const DoctorFacts& facts) {
  Json cards = Json::array();
  for (const GpuCard& card : facts.gpu.cards) {
    Json processes = Json::array();
    for (const GpuProcess& process : card.processes)
      processes.push_back({{"pid", process.pid},
                           {"name", or_null(process.name)},
                           {"bytes", or_null(process.bytes)}});
    cards.push_back(
        {{"name", card.name},
         {"compute_capability", std::to_string(card.major) + "." + std::to_string(card.minor)},
         {"bf16", card.major >= 8},
         {"total", card.total},
         {"used", card.used},
         {"reserved", card.reserved},
         {"free", card.free},
         {"processes", card.lists_processes ? processes : Json()}});
  }
  return {{"built_with_cuda", facts.device.built_with_cuda},
          {"usable", facts.device.cuda_devices},
          {"on_bus", facts.gpu.on_bus},
          {"driver", or_null(facts.gpu.driver)},
          {"no_driver", or_null(facts.gpu.no_driver)},
          {"driver_cuda",
           facts.gpu.driver_cuda ? Json(cuda_version_text(facts.gpu.driver_cuda)) : Json()},
          {"cards", cards}};
}

Json config_json(const DoctorFacts& facts) {
  if (!facts.config_error.empty()) return {{"error", facts.config_error}};
  if (!facts.config) return nullptr;
  TrainConfig copy = *facts.config;
  return Json::parse(to_json(options_of(copy)));
}

}  // namespace

Json to_json(const DoctorFacts& facts, const std::vector<Finding>& findings) {
  const LibraryVersions& libraries = facts.libraries;
  Json json;
  json["program"] = facts.program;
  json["libraries"] = {{"libtorch", libraries.libtorch},
                       {"cuda", or_null(libraries.cuda)},
                       {"cudnn", or_null(libraries.cudnn)},
                       {"cudnn_compiled", or_null(libraries.cudnn_compiled)},
                       {"cublas", or_null(libraries.cublas)},
                       {"nccl", or_null(libraries.nccl)},
                       {"nccl_compiled", or_null(libraries.nccl_compiled)}};
  json["gpu"] = gpu_json(facts);
  json["system"] = {{"name", facts.system}, {"kernel", facts.kernel}, {"libc", facts.libc}};
  json["cpu"] = {{"name", facts.device.cpu_name},
                 {"cores", facts.device.cores},
                 {"cores_limit", or_null(facts.device.cores_limit)},
                 {"features", facts.cpu_features},
                 {"bf16", facts.device.cpu_bf16},
                 {"libtorch_uses", libraries.cpu_capability},
                 {"gemm_backend", facts.gemm_backend},
                 {"probe", facts.cpu_probe ? to_json(*facts.cpu_probe) : Json()}};
  Json bounds = Json::array();
  for (std::size_t i = 1; i < facts.memory.size(); ++i)
    bounds.push_back({{"name", facts.memory[i].name},
                      {"total", facts.memory[i].total},
                      {"available", facts.memory[i].available}});
  const MemoryBound& least = tightest(facts.memory);
  json["memory"] = {{"total", facts.memory.front().total},
                    {"available", least.available},
                    {"limit", or_null(least.name)},
                    {"limits", bounds},
                    {"own", facts.own}};
  json["disk"] = Json::object();
  for (const DiskFacts& disk : facts.disks)
    json["disk"][disk.what] = {
        {"path", disk.path}, {"free", or_null(disk.free)}, {"writable", disk.writable}};
  json["limits"] = {{"memlock", or_null(facts.memlock)},
                    {"open_files", or_null(facts.open_files)},
                    {"shm_free", or_null(facts.shm_free)}};
  json["environment"] = Json::object();
  for (const auto& [name, value] : facts.environment) json["environment"][name] = value;
  Json interfaces = Json::array();
  for (const NetworkInterface& interface : facts.interfaces)
    interfaces.push_back({{"name", interface.name}, {"address", interface.address}});
  json["processes"] = {{"launcher", or_null(facts.launch)},
                       {"nccl", facts.has_nccl},
                       {"interfaces", interfaces},
                       {"cards_without_peer_access", facts.without_peer_access}};
  json["config"] = config_json(facts);
  json["data"] = {{"missing", or_null(facts.missing_data)}, {"error", or_null(facts.data_error)}};
  json["plan"] = facts.planned ? to_json(*facts.planned) : Json();
  Json list = Json::array();
  for (const Finding& finding : findings)
    list.push_back({{"level", level_name(finding.level)},
                    {"what", finding.what},
                    {"next", or_null(finding.next)}});
  json["verdict"] = {{"findings", list}, {"next", next_step(findings)}};
  return json;
}

}  // namespace gpt
