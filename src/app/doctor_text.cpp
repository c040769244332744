#include <algorithm>

#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"
#include "gpt/memory/plan_text.h"

#include "app/doctor_report.h"

namespace gpt {

namespace {

std::string line(const std::string& name, const std::string& value) {
  return format("  %-14s %s\n", name.c_str(), terminal_safe_line(value).c_str());
}

std::string or_none(const std::string& text, const char* none = "none") {
  return text.empty() ? none : text;
}

std::string bytes_or(const std::optional<std::uint64_t>& bytes, const char* otherwise) {
  return bytes ? human_bytes(*bytes) : otherwise;
}

std::string program(const DoctorFacts& facts) {
  std::string text = "program\n";
  for (std::size_t begin = 0; begin < facts.program.size();) {
    const std::size_t end = std::min(facts.program.find('\n', begin), facts.program.size());
    text += "  " + facts.program.substr(begin, end - begin) + "\n";
    begin = end + 1;
  }
  const LibraryVersions& libraries = facts.libraries;
  if (libraries.cuda.empty()) return text + line("CUDA", "not in this build");
  return text + line("CUDA", libraries.cuda) +
         line("cuDNN", libraries.cudnn + " (LibTorch was compiled with " +
                           or_none(libraries.cudnn_compiled, "none") + ")") +
         line("cuBLAS", or_none(libraries.cublas)) +
         line("NCCL", or_none(libraries.nccl) + " (LibTorch was compiled with " +
                          or_none(libraries.nccl_compiled) + ")");
}

std::string gpu(const DoctorFacts& facts) {
  std::string text = "gpu\n";
  if (facts.gpu.driver.empty())
    text += line("driver", "none (" + facts.gpu.no_driver + ")");
  else
    text += line("driver", concat(facts.gpu.driver, ", runs CUDA up to ",
                                  cuda_version_text(facts.gpu.driver_cuda)));
  text += line("usable cards", std::to_string(facts.device.cuda_devices));
  for (const GpuCard& card : facts.gpu.cards) {
    text += line("card", concat(card.name, ", compute capability ", card.major, ".", card.minor,
                                card.major >= 8 ? ", bf16" : ", no bf16"));
    text += line("memory", concat(human_bytes(card.total), ": ", human_bytes(card.used), " used, ",
                                  human_bytes(card.reserved), " reserved, ", human_bytes(card.free),
                                  " free"));
    for (const GpuProcess& process : card.processes)
      text += line("process", concat(process.pid, " ", or_none(process.name, "(not visible)"), ": ",
                                     bytes_or(process.bytes, "unknown")));
    if (!card.lists_processes) text += line("processes", "not listed by the driver");
  }
  return text;
}

std::string machine(const DoctorFacts& facts) {
  std::string text = "machine\n";
  text += line("system", concat(facts.system, ", ", facts.kernel, ", ", facts.libc));
  text +=
      line("CPU", concat(facts.device.cpu_name, ", ", facts.device.cores, " core(s)",
                         facts.device.cores_limit.empty() ? "" : " by ", facts.device.cores_limit,
                         ", ", facts.device.cpu_bf16 ? "bf16" : "no bf16"));
  text += line("CPU features", concat(or_none(join(facts.cpu_features, " ")), " (LibTorch uses ",
                                      facts.libraries.cpu_capability, ")"));
  text += line("GEMM", facts.gemm_backend);
  if (facts.cpu_probe) {
    const ProbeReport& probe = *facts.cpu_probe;
    const auto bad = std::count_if(probe.checks.begin(), probe.checks.end(),
                                   [](const CheckResult& check) { return check.bad(); });
    text += line("CPU kernels",
                 concat(probe.checks.size(), " checks in ", format("%.1f s", probe.seconds), ", ",
                        bad == 0 ? "all right" : concat(bad, " not right")));
  }
  text += line("memory", concat(human_bytes(facts.memory.front().total), ", ",
                                memory_text(tightest(facts.memory)), ", this process ",
                                human_bytes(facts.own)));
  for (const DiskFacts& disk : facts.disks)
    text += line(disk.what, concat(disk.path, ": ", bytes_or(disk.free, "unknown"), " free",
                                   disk.writable ? "" : ", not writable"));
  text += line("limits", concat("memlock ", bytes_or(facts.memlock, "unlimited"), ", open files ",
                                facts.open_files ? std::to_string(*facts.open_files) : "unlimited",
                                ", /dev/shm ",
                                bytes_or(facts.shm_free, facts.has_shm ? "unknown" : "missing"),
                                facts.shm_free || facts.has_shm ? " free" : ""));
  for (const auto& [name, value] : facts.environment)
    text += line("environment", name + "=" + value);
  return text;
}

std::string processes(const DoctorFacts& facts) {
  std::string text = "processes\n";
  text += line("launcher", or_none(facts.launch, "none: this process is alone"));
  text += line("back ends", facts.has_nccl ? "NCCL, gloo" : "gloo (NCCL comes with a CUDA build)");
  for (const NetworkInterface& interface : facts.interfaces)
    text += line("interface", interface.name + " " + interface.address);
  for (const auto& [a, b] : facts.without_peer_access)
    text += line("cards", concat(a, " and ", b, " cannot read each other's memory"));
  return text;
}

std::string plan(const DoctorFacts& facts) {
  if (!facts.asked_config) return "plan\n  none: no config was given\n";
  if (!facts.planned) return "plan\n  none: see the verdict\n";
  const MachinePlan& planned = *facts.planned;
  return "plan\n" + plan_text(planned.planner, planned.ranked);
}

}  // namespace

std::string doctor_text(const DoctorFacts& facts, const std::vector<Finding>& findings) {
  std::string text =
      program(facts) + gpu(facts) + machine(facts) + processes(facts) + plan(facts) + "verdict\n";
  for (const Finding& finding : findings)
    text += concat("  ", level_name(finding.level), ": ", terminal_safe_line(finding.what),
                   finding.next.empty() ? "" : "; ", terminal_safe_line(finding.next), "\n");
  return text + "next: " + next_step(findings) + "\n";
}

}  // namespace gpt
