#include "gpt/memory/workload.h"

#include "gpt/device/gpu_table.h"
#include "gpt/kernels/ops/attention.h"

namespace gpt {

namespace {

std::string card(const std::string& device) {
  return device == "cuda" ? "cuda:0" : device;
}

bool evaluates_elsewhere(const TrainConfig& config, bool cuda) {
  const std::string &there = config.memory.eval_device, &here = config.system.device;
  if (there == "auto") return false;
  if (there.starts_with("cuda") != cuda) return true;
  return cuda && here.starts_with("cuda") && card(there) != card(here);
}

}  // namespace

std::int64_t Workload::cublas_workspace() const {
  return deterministic ? deterministic_workspace() : workspace;
}

std::int64_t Workload::block_matrices() const {
  std::int64_t sum = 0;
  for_each_block_parameter(bias, [&](const BlockParameter& parameter) {
    if (is_gemm_weight(parameter.role)) sum += parameter.elements(width);
  });
  return sum;
}

std::int64_t Workload::block_parameters() const {
  std::int64_t sum = 0;
  for_each_block_parameter(
      bias, [&](const BlockParameter& parameter) { sum += parameter.elements(width); });
  return sum;
}

std::int64_t Workload::parameters() const {
  return (vocab + block) * width + layers * block_parameters() + (bias ? 2 : 1) * width;
}

Workload workload_of(const TrainConfig& config, bool cuda, std::int64_t threads, int capability,
                     std::int64_t processes) {
  Workload workload;
  workload.layers = config.model.n_layer;
  workload.heads = config.model.n_head;
  workload.width = config.model.n_embd;
  workload.block = config.data.block_size;
  workload.vocab = config.model.vocab_size.or_else(kGpt2PaddedVocabulary);
  workload.bias = config.model.bias;
  workload.dropout = config.model.dropout > 0;
  workload.batch = config.data.batch_size;
  workload.accumulation = config.data.gradient_accumulation_steps;
  workload.processes = processes;
  workload.spread_optimizer = config.memory.zero > 0 && processes > 1;
  workload.type_bytes = config.system.dtype == "float32" ? 4 : 2;
  workload.cuda = cuda;
  workload.evaluates_elsewhere = evaluates_elsewhere(config, cuda);
  workload.engine = engine_kind(config.system.compile, cuda,
                                config.system.dtype == "float16" ? c10::kHalf : c10::kFloat);
  workload.plain_attention =
      config.model.attention == "plain" ||
      (cuda && workload.engine == EngineKind::kTensor &&
       attention_candidates(workload.block, workload.width / workload.heads,
                            workload.type_bytes == 4 ? c10::kFloat : c10::kHalf,
                            config.system.deterministic, capability)
           .empty());
  workload.graphs = cuda && workload.engine == EngineKind::kTensor &&
                    config.system.compile_mode == "reduce-overhead";
  workload.decodes = !config.monitor.task_files.empty() || config.monitor.sample_interval > 0;
  workload.statistics = config.monitor.stats_interval > 0;
  workload.deterministic = config.system.deterministic;
  workload.threads = threads;
  return workload;
}

}  // namespace gpt
