// Where in a file of torch.save things are: people save a model, its sizes, an optimizer and a
// count of iterations under many names.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gpt/formats/pickle_value.h"
#include "gpt/model/parameter_table.h"

namespace gpt {

struct CheckpointLayout {
  std::string model_key;  // "" where the state dict is the file's own value
  std::vector<std::pair<std::string, const PickleValue*>> tensors;  // of the model
  std::string arguments_key;
  const PickleValue* arguments = nullptr;  // sizes, with n_head among them
  std::string optimizer_key;
  const PickleValue* optimizer = nullptr;  // {state, param_groups}
  std::string iteration_key;
  const PickleValue* iteration = nullptr;
  std::string loss_key;
  const PickleValue* best_val_loss = nullptr;
  const PickleValue* config = nullptr;
};

// What is not there is null. InputError, with what is there instead, if no GPT-2's weights are.
CheckpointLayout find_layout(const PickleValue& root, const std::string& origin);

// Which of the optimizer's numbered states belongs to which parameter: by the names in it, else by
// the order that nanoGPT's configure_optimizers, older versions of that, and
// AdamW(model.parameters()) give them, with or without a head of its own. InputError if the groups
// are none of these.
std::map<std::string, std::int64_t> optimizer_indices(const PickleValue& optimizer,
                                                      const ModelShape& shape,
                                                      const std::string& where);

}  // namespace gpt
