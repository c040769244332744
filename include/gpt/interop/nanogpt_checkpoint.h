// nanoGPT's ckpt.pt: {model, optimizer, model_args, iter_num, best_val_loss, config}, as its
// train.py saves it with torch.save.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "gpt/config/settings.h"
#include "gpt/formats/torch_reader.h"
#include "gpt/interop/weight_source.h"

namespace gpt {

class NanogptCheckpoint : public WeightSource {
 public:
  // Checks the file's structure and every weight's name, shape and type. A state_dict of a compiled
  // model (`_orig_mod.`) and attention's mask buffers are understood. InputError.
  explicit NanogptCheckpoint(const std::filesystem::path& path);

  const ModelShape& shape() const override { return shape_; }
  at::Tensor weight(const std::string& name) const override;
  std::string origin() const override { return file_.origin(); }
  std::string dataset() const override;  // that config names

  std::int64_t iteration() const { return iteration_; }
  double best_val_loss() const { return best_val_loss_; }
  // The values of `config` that are texts, numbers or booleans; keys are train.py's.
  const std::vector<Setting>& config() const { return config_; }

  // AdamW's state of a parameter, shaped as it; zeros where the optimizer has not stepped yet.
  struct AdamState {
    at::Tensor exp_avg, exp_avg_sq, step;
  };
  // InputError if the groups are not those of nanoGPT's configure_optimizers, or a tensor is not
  // its parameter's shape.
  void check_optimizer() const;
  AdamState optimizer_state(const std::string& name) const;

 private:
  void read_shape();
  void index_weights();
  void read_run();
  at::Tensor tensor(const PickleValue& value, const std::string& where) const;
  std::int64_t optimizer_index(const std::string& name) const;

  TorchReader file_;
  ModelShape shape_;
  std::vector<ParameterShape> parameters_;
  std::map<std::string, const PickleValue*> weights_;  // by our names
  std::int64_t iteration_ = 0;
  double best_val_loss_ = 0;
  std::vector<Setting> config_;
};

}  // namespace gpt
