// What `gpttrain doctor` knows of program, machine and run. Plain data, so that verdicts can be
// tested on machines that are not here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gpt/base/machine_limits.h"
#include "gpt/config/train_config.h"
#include "gpt/device/device.h"
#include "gpt/device/gpu_presence.h"
#include "gpt/device/library_versions.h"
#include "gpt/parallel/interfaces.h"
#include "gpt/probe/report.h"
#include "gpt/train/machine_plan.h"

namespace gpt {

struct DiskFacts {
  std::string what;  // "out_dir"
  std::string path;
  std::optional<std::uint64_t> free;  // bytes
  bool writable = false;              // it, or the folder that it would be made in
};

// Sizes in bytes.
struct DoctorFacts {
  std::string program;  // version_details(), lines
  LibraryVersions libraries;

  DeviceFacts device;
  GpuPresence gpu;

  std::string system, kernel, libc;
  std::vector<std::string> cpu_features;
  std::string gemm_backend;              // whose GEMM the CPU engine uses
  std::optional<ProbeReport> cpu_probe;  // of the CPU's own kernels; nothing: it was not made
  std::vector<MemoryBound> memory;  // the machine's first, then those of groups and `ulimit -v`
  std::uint64_t own = 0;            // of this process
  std::vector<DiskFacts> disks;
  std::optional<std::uint64_t> memlock, open_files;              // nothing: unlimited
  bool has_shm = false;                                          // is there a /dev/shm?
  std::optional<std::uint64_t> shm_free;                         // nothing: it does not say
  std::vector<std::pair<std::string, std::string>> environment;  // of what changes a run

  std::string
      launch;  // what the environment says of a launcher: "", or its processes, or its error
  bool has_nccl = false;
  std::vector<NetworkInterface> interfaces;
  std::vector<std::pair<int, int>> without_peer_access;  // cards

  bool asked_config = false;          // is there a config to judge?
  bool refused_gpu = false;           // it asks for a card that is here and cannot be used
  std::string config_error;           // "" if it is fine
  std::string missing_data;           // as in train/dataset.h
  std::string data_error;             // what is wrong with the data that are there
  std::optional<TrainConfig> config;  // with device, dtype and vocab_size settled
  std::optional<MachinePlan> planned;
};

// All but what depends on the config; disks are the folders that `config` names.
DoctorFacts machine_facts(const TrainConfig& config);

// Whether the kernels for this CPU compute what LibTorch's do: by `gpttrain probe --device=cpu`, in
// a process that an instruction which the CPU lacks may end. Nothing where it cannot be started.
std::optional<ProbeReport> probe_cpu();

}  // namespace gpt
