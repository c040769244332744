// What a model's activations look like, layer by layer: a forward pass of its own, apart from the
// engine, so that it is the same whichever engine trains.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "gpt/config/model_config.h"
#include "gpt/device/compute.h"
#include "gpt/model/parameter.h"

namespace gpt {

// In float32, without dropout or gradients, of a sequence of tokens (1, T) on the device:
//   activation_rms/wte, /h.0, ...: root mean square of the residual stream behind the embeddings
//     and behind each block
//   dead_units/h.0, ...: share of an MLP's hidden units whose GELU stays within 1e-3 of zero for
//     every token
//   attention_entropy/h.0, ...: of the attention weights, in nats, over tokens and heads
//   head_entropy/h.0.0, ...: the same of each head
// The float64 values stay on the device; their names, in their order, are activation_names().
at::Tensor activation_statistics(const ParameterList& parameters, const ModelConfig& config,
                                 const c10::Device& device, const at::Tensor& tokens_1T);

std::vector<std::string> activation_names(const ModelConfig& config);

}  // namespace gpt
