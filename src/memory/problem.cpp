#include "gpt/memory/problem.h"

#include <algorithm>

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

std::int64_t Problem::block_matrices() const {
  std::int64_t sum = 0;
  for_each_block_parameter(bias, [&](const BlockParameter& parameter) {
    if (is_gemm_weight(parameter.role)) sum += parameter.elements(width);
  });
  return sum;
}

std::int64_t Problem::block_parameters() const {
  std::int64_t sum = 0;
  for_each_block_parameter(
      bias, [&](const BlockParameter& parameter) { sum += parameter.elements(width); });
  return sum;
}

std::int64_t Problem::parameters() const {
  return (vocab + block) * width + layers * block_parameters() + (bias ? 2 : 1) * width;
}

Problem problem_of(const TrainConfig& config, bool cuda, std::int64_t threads) {
  Problem problem;
  problem.layers = config.model.n_layer;
  problem.heads = config.model.n_head;
  problem.width = config.model.n_embd;
  problem.block = config.data.block_size;
  problem.vocab = config.model.vocab_size.or_else(kGpt2PaddedVocabulary);
  problem.bias = config.model.bias;
  problem.dropout = config.model.dropout > 0;
  problem.batch = config.data.batch_size;
  problem.accumulation = config.data.gradient_accumulation_steps;
  problem.type_bytes = config.system.dtype == "float32" ? 4 : 2;
  problem.cuda = cuda;
  problem.evaluates_elsewhere = evaluates_elsewhere(config, cuda);
  problem.engine = engine_kind(config.system.compile, cuda,
                               config.system.dtype == "float16" ? c10::kHalf : c10::kFloat);
  problem.plain_attention =
      config.model.attention == "plain" ||
      (cuda && problem.engine == EngineKind::kTensor &&
       !has_fused_attention(problem.width / problem.heads,
                            problem.type_bytes == 4 ? c10::kFloat : c10::kHalf,
                            config.system.deterministic));
  problem.graphs = cuda && problem.engine == EngineKind::kTensor && !problem.dropout &&
                   config.system.compile_mode == "reduce-overhead";
  problem.threads = threads;
  return problem;
}

Fixed fixed_by(const TrainConfig& config) {
  Fixed fixed;
  if (config.memory.recompute != "auto") fixed.recompute = recompute_level(config.memory.recompute);
  if (config.memory.optimizer_offload != "auto")
    fixed.offload = offload_level(config.memory.optimizer_offload);
  const std::int64_t effective = config.data.batch_size * config.data.gradient_accumulation_steps;
  if (const auto micro = config.data.micro_batch_size.value)
    fixed.micro_batch = std::min(*micro, effective);
  if (const auto eval = config.data.eval_batch_size.value)
    fixed.eval_batch = std::min(*eval, config.data.batch_size);
  fixed.head_chunk = config.model.head_chunk.value;
  return fixed;
}

}  // namespace gpt
