#include "gpt/memory/workload.h"

#include <algorithm>

#include "gpt/device/gpu_table.h"
#include "gpt/kernels/device_choices.h"
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

// Does the fused engine compute attention with dropout or documents in tiles? By what was proved,
// if anything was; the probe's own plan, and one for another machine, count with what fits.
bool attends_in_tiles(const TrainConfig& config, const Workload& workload, int capability) {
  if (!workload.cuda || workload.engine != EngineKind::kTensor || config.model.attention == "plain")
    return false;
  if (const auto choices = device_choices(); choices && !choices->tiled_attention) return false;
  const auto type = config.system.dtype == "float32"    ? c10::kFloat
                    : config.system.dtype == "bfloat16" ? c10::kBFloat16
                                                        : c10::kHalf;
  return !masked_attention_candidates(workload.width / workload.heads, type, capability).empty();
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

Workload::MuonShare Workload::muon_share() const {
  if (!muon) return {};
  std::vector<MatrixShape> shapes;  // of parameters, and how many lie in each
  std::vector<std::int64_t> counts;
  std::vector<double> costs;
  for (std::int64_t layer = 0; layer < layers; ++layer)
    for_each_block_parameter(bias, [&](const BlockParameter& parameter) {
      if (!is_gemm_weight(parameter.role)) return;
      shapes.push_back({parameter.rows / parameter.matrices * width, parameter.columns * width});
      counts.push_back(parameter.matrices);
      costs.push_back(static_cast<double>(parameter.matrices) * shapes.back().flops());
    });
  const auto sharing = static_cast<int>(spread_optimizer ? processes : 1);
  const std::vector<int> taken_by = dealt_by_cost(costs, sharing);
  std::vector<MuonShare> shares(static_cast<std::size_t>(sharing));
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    MuonShare& share = shares[static_cast<std::size_t>(taken_by[i])];
    for (std::int64_t k = 0; k < counts[i]; ++k) share.matrices.push_back(shapes[i]);
    share.elements += counts[i] * shapes[i].elements();
    share.flops += costs[i];
  }
  return *std::max_element(
      shares.begin(), shares.end(),
      [](const MuonShare& a, const MuonShare& b) { return a.elements < b.elements; });
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
  workload.copies_state = config.io.async_checkpoints;
  workload.type_bytes = config.system.dtype == "float32" ? 4 : 2;
  workload.cuda = cuda;
  workload.muon = config.optimizer.optimizer == "muon";
  workload.muon_type_bytes = cuda && capability >= 80 && own_kernels_allowed() ? 2 : 4;
  workload.evaluates_elsewhere = evaluates_elsewhere(config, cuda);
  workload.engine = engine_kind(config.system.compile, cuda,
                                config.system.dtype == "float16" ? c10::kHalf : c10::kFloat);
  workload.documents = config.data.document_mask;
  workload.tiled_attention = attends_in_tiles(config, workload, capability);
  workload.plain_attention =
      config.model.attention == "plain" ||
      (workload.documents && workload.engine == EngineKind::kTensor && !workload.tiled_attention) ||
      (cuda && workload.engine == EngineKind::kTensor && !workload.documents &&
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
