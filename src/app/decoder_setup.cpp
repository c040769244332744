#include "app/decoder_setup.h"

#include <algorithm>

#include "gpt/config/memory_limit.h"
#include "gpt/device/cpu_memory.h"
#include "gpt/device/host_memory.h"
#include "gpt/device/memory.h"
#include "gpt/device/memory_failure.h"
#include "gpt/train/machine.h"
#include "gpt/train/probe_setup.h"

namespace gpt {

void expect_memory_limit(const std::string& memory_limit) {
  if (memory_limit != "auto") install_cpu_memory();
}

Compute set_up_device(OpenConfig& open, const OpenModel& model) {
  return set_up_machine(open, [&](const Compute& where) {
    TrainConfig config;  // the decoder is plain operators, as the eager engine is
    config.model = model.config;
    config.model.vocab_size.value = vocabulary_of(model);
    config.model.dropout = 0;
    config.data.block_size = model.block_size;
    config.data.batch_size = config.data.gradient_accumulation_steps = 1;
    config.memory.memory_limit = open.memory_limit;
    config.memory.allocator = "native";
    config.system.compile = false;
    config.system.dtype = open.dtype;
    settle_by_probe(config, where);
  });
}

std::unique_ptr<Decoder> set_up_decoder(OpenModel& model, const Compute& compute,
                                        const std::string& memory_limit) {
  const std::uint64_t total = total_memory(compute.device);
  auto limit = parse_memory_limit(memory_limit)->of(total);
  if (compute.device.is_cpu())
    if (const auto most = host_memory().most) {
      map_large_blocks();
      const std::uint64_t all = std::max<std::uint64_t>(1, *most + cpu_memory_now());
      limit = std::min(limit.value_or(all), all);
    }
  // Without a limit, too: a GPU's refusal is to say how much was missing.
  if (limit || compute.device.is_cuda()) limit_memory(compute.device, limit.value_or(0));
  std::unique_ptr<Decoder> decoder;
  if (const auto why = out_of_memory(
          [&] { decoder = std::make_unique<Decoder>(model.weights, model.config, compute); }))
    throw_memory_error("loading " + model.name, compute.device, "the weights alone", *why);
  if (model.document_end) decoder->mask_documents(*model.document_end);
  model.weights.clear();  // the decoder shares or has converted them
  return decoder;
}

}  // namespace gpt
