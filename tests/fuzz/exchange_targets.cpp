#include <stdexcept>

#include "gpt/formats/unpickler.h"
#include "gpt/interop/checkpoint_layout.h"

#include "fuzz/targets.h"
#include "hf_config.h"

namespace gpt::fuzz {

void read_hf_config(std::string_view bytes) {
  const BytesFile input(bytes);
  const ModelShape shape = gpt::read_hf_config(input.path());
  parameter_table(shape);
  hf_generation_config_json(shape);
  const BytesFile written(hf_config_json(shape));
  const ModelShape again = gpt::read_hf_config(written.path());
  if (again.vocab_size != shape.vocab_size || again.block_size != shape.block_size ||
      again.config.n_layer != shape.config.n_layer || again.config.n_head != shape.config.n_head ||
      again.config.n_embd != shape.config.n_embd || again.config.gelu != shape.config.gelu)
    throw std::logic_error("a config that was written is read as another one");
}

void read_hf_index(std::string_view bytes) {
  const BytesFile input(bytes);
  for (const std::string& shard : gpt::read_hf_index(input.path()))
    if (shard.find('/') != shard.npos || shard.find('\0') != shard.npos)
      throw std::logic_error("a shard that is no file next to the index");
}

void read_checkpoint_layout(std::string_view bytes) {
  const PickleTree tree = unpickle(as_bytes(bytes), "input");
  const CheckpointLayout layout = find_layout(tree.root(), "input");
  ModelShape shape;
  shape.config.n_layer = 1;
  shape.config.n_embd = 4;
  shape.vocab_size = 6;
  shape.block_size = 3;
  if (layout.optimizer) optimizer_indices(*layout.optimizer, shape, "input: optimizer");
}

}  // namespace gpt::fuzz
