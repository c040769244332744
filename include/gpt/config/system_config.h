// The machine: device, precision, engine, seed, threads.
#pragma once

#include <cstdint>
#include <string>

#include "gpt/config/check.h"
#include "gpt/config/field.h"

namespace gpt {

struct SystemConfig {
  CONFIG(SystemConfig);
  FIELD(std::string, backend,
        "What moves tensors between several processes: nccl between GPUs, gloo for the CPU and "
        "where this build has no NCCL.",
        one_of("nccl", "gloo")) = "nccl";
  FIELD(std::int64_t, dist_timeout,
        "Seconds after which a process that does not answer ends the others of its run.",
        between(std::int64_t{1}, std::int64_t{1000000})) = 600;
  FIELD(
      std::string, device,
      "Where to compute. cuda: a machine without an NVIDIA card uses its CPU; a card that is there "
      "and cannot be used is an error. auto: the CPU in that case, too.",
      device_name()) = "cuda";
  FIELD(std::string, dtype,
        "Compute type. auto: bfloat16 on a GPU that has it, else float16; float32 on the CPU.",
        one_of("auto", "float32", "bfloat16", "float16")) = "auto";
  FIELD(bool, compile, "Ask for the fused engine; False: plain modules.", anything()) = true;
  FIELD(
      std::string, compile_mode,
      "reduce-overhead records the fused engine's work as CUDA graphs: faster for small models and "
      "micro-batches, for more memory.",
      one_of("default", "reduce-overhead")) = "default";
  FIELD(std::int64_t, seed, "Seed of weights, batches and dropout.", at_least(0)) = 1337;
  FIELD(bool, deterministic,
        "Only kernels that give the same bits every time (always so on the CPU).",
        anything()) = false;
  FIELD(bool, profile,
        "Write out_dir/trace.json, a Chrome trace of a few iterations early in the run.",
        anything()) = false;
  FIELD(
      AutoInt, threads,
      "CPU threads. auto: one for each core that the process may use, at most the CPU quota of its "
      "control groups, OMP_NUM_THREADS and SLURM_CPUS_PER_TASK.",
      auto_or_between(1, 1024)) = {};
  END_CONFIG;
};

}  // namespace gpt
