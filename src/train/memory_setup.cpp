#include "gpt/train/memory_setup.h"

#include <algorithm>
#include <cstdlib>
#include <functional>

#include <c10/util/Exception.h>

#include "gpt/base/error.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/config/memory_limit.h"
#include "gpt/device/cpu_memory.h"
#include "gpt/device/device.h"
#include "gpt/device/memory.h"
#include "gpt/kernels/device_choices.h"
#include "gpt/memory/plan_text.h"
#include "gpt/model/evaluation_engine.h"
#include "gpt/train/run_start.h"

namespace gpt {

std::string allocator_words(const std::string& asked, const SystemRoot& root) {
  std::string words = asked;
  if (words == "auto") {
    if (std::getenv("PYTORCH_ALLOC_CONF") || std::getenv("PYTORCH_CUDA_ALLOC_CONF")) return "";
    // Windows' driver refuses to map memory of many cards (pytorch issue 192330).
    words = in_wsl(root) ? "native" : "expandable_segments";
  }
  if (words == "expandable_segments") words += ":True";
  if (words == "native") words = "expandable_segments:False";
  return words;
}

void set_up_allocator(const MemoryConfig& memory, const Settings& asked) {
  const std::string words = allocator_words(memory.allocator);
  if (words.empty()) return;
  try {
    configure_cuda_allocator(words);
  } catch (const c10::Error& error) {
    throw InputError(asked.origin("allocator") + ": allocator=" + memory.allocator +
                     ": LibTorch says: " + error.what_without_backtrace());
  }
}

void check_evaluation_device(const MemoryConfig& memory, const Settings& asked) {
  if (memory.eval_device == "auto" || memory.eval_device == "cpu") return;
  const int index = std::max<int>(c10::Device(memory.eval_device).index(), 0);
  if (const int there = device_facts().cuda_devices; index >= there)
    throw InputError(concat(asked.origin("eval_device"), ": eval_device=", memory.eval_device,
                            ": there are ", there, " GPUs here that this build can use"));
}

namespace {

// The heap that keeps every block, which is faster, may grow to twice what the tensors take.
bool heap_may_be_short(const Estimate& plan) {
  constexpr std::uint64_t kScratch = std::uint64_t{512} << 20;
  return 2 * static_cast<std::uint64_t>(plan.needs()) + kScratch > free_memory(c10::kCPU);
}

bool copy_fits(const MachinePlan& planned) {
  const Workload& workload = planned.planner.workload();
  const auto& best = planned.ranked.best;
  return best && (!workload.cuda || best->host <= workload.host_memory);
}

// A run without the copy that its checkpoints are written from is worth more than none.
void do_without_copy_if_short(TrainConfig& config, MachinePlan& planned,
                              const std::function<MachinePlan()>& plan_again) {
  if (!config.io.async_checkpoints || copy_fits(planned)) return;
  config.io.async_checkpoints = false;
  planned = plan_again();
  if (planned.ranked.best)
    log_warning(
        "async_checkpoints: memory does not suffice for the copy of weights and optimizer; "
        "checkpoints are written synchronously");
}

}  // namespace

MachinePlan set_up_memory(TrainConfig& config, const std::optional<CheckpointInfo>& checkpoint,
                          const Compute& compute, const ProcessGroup& group) {
  std::optional<TrainConfig> saved;
  if (checkpoint) saved = saved_config(*checkpoint);
  const auto plan = [&] { return plan_run(config, saved ? &*saved : nullptr, compute, group); };
  MachinePlan planned = plan();
  do_without_copy_if_short(config, planned, plan);
  const bool all = config.memory.optimizer_offload == offload_name(Offload::kWeights);
  const std::string recompute = config.memory.recompute;
  adopt_plan(config, planned);
  if (recompute != "auto" && recompute != config.memory.recompute)
    log_warning(concat("recompute=", recompute,
                       ": the eager engine keeps a block or runs it again; ",
                       config.memory.recompute, " is used instead"));
  if (all && planned.ranked.best->plan.offload != Offload::kWeights)
    log_warning(
        "optimizer_offload=all: only the fused engine of a GPU with a 16-bit dtype computes "
        "with copies of the weights; on is used instead");
  if (compute.device.is_cpu() && heap_may_be_short(*planned.ranked.best)) map_large_blocks();
  // Without a limit, too: a refusal is to say how much was missing.
  limit_memory(compute.device, planned.most_tensors);
  return planned;
}

namespace {

std::unique_ptr<Engine> with_evaluations(std::unique_ptr<Engine> engine, const TrainConfig& config,
                                         const Gpt& model, const Compute& compute) {
  const std::string& wanted = config.memory.eval_device;
  if (wanted == "auto") return engine;
  const c10::Device device(wanted);
  if (device.type() == compute.device.type() &&
      (device.is_cpu() || device.index() < 0 || device.index() == compute.device.index()))
    return engine;
  log_info("evaluations run on " + wanted + ", in float32");
  return std::make_unique<EvaluationEngine>(std::move(engine), config, model, device);
}

}  // namespace

std::unique_ptr<Engine> set_up_engine(const TrainConfig& config, const Gpt& model,
                                      const Compute& compute,
                                      std::optional<std::int64_t> document_end) {
  auto engine = with_evaluations(make_engine(config, model, compute), config, model, compute);
  if (!document_end) return engine;
  engine->mask_documents(*document_end);
  const auto choices = device_choices();
  if (engine->kind() == EngineKind::kTensor && config.model.attention != "plain" && choices &&
      !choices->tiled_attention)
    log_info(
        "document_mask: on a GPU the fused engine writes attention's scores out for it, which is "
        "slower than the kernels that it uses without");
  return engine;
}

}  // namespace gpt
