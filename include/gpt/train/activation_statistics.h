// What a model's activations look like, layer by layer: a forward pass of its own, apart from the
// engine, so that it is the same whichever engine trains.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "gpt/config/model_config.h"
#include "gpt/device/compute.h"
#include "gpt/model/parameter.h"

namespace gpt {

// In float32, without dropout or gradients, of sequences of tokens (B, T) on the device:
//   activation_rms/wte, /h.0, ...: root mean square of the residual stream behind the embeddings
//     and behind each block
//   dead_units/h.0, ...: share of an MLP's hidden units whose GELU stays within 1e-3 of zero for
//     every token
//   attention_entropy/h.0, ...: of the attention weights, in nats, over tokens and heads
//   head_entropy/h.0.0, ...: the same of each head
// as sums in float64 that stay on the device: those of several batches, or processes, add up.
// Attention does not look beyond `document_end`, if there is one.
at::Tensor activation_sums(const ParameterList& parameters, const ModelConfig& config,
                           const c10::Device& device, const at::Tensor& tokens_BT,
                           std::optional<std::int64_t> document_end = {});

// How many sums there are: zeros are those of no sequences.
std::int64_t activation_sum_count(const ModelConfig& config);

// What they say; nothing, if they are of no sequences.
std::vector<std::pair<std::string, double>> activation_values(const ModelConfig& config,
                                                              const std::vector<double>& sums);

}  // namespace gpt
