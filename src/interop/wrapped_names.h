// Names of tensors with what torch.compile, DDP, FSDP and peft put into them.
#pragma once

#include <string>
#include <string_view>

namespace gpt {

// The name without wrappers: "module._orig_mod.h.0._orig_mod.ln_1.weight" -> "h.0.ln_1.weight".
std::string without_wrappers(std::string_view name);

// Whether a name, without wrappers, ends in that of the token embedding, "wte.weight".
bool is_token_embedding(std::string_view name);

// Whether it is a tensor of a LoRA adapter, or one that an adapter stands in front of.
bool is_adapter_name(std::string_view name);

}  // namespace gpt
