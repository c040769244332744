#include "gpt/train/rollback.h"

#include <nlohmann/json.hpp>

#include "gpt/checkpoint/run_state.h"

namespace gpt {

void restore_training(const CheckpointInfo& checkpoint, const Gpt& model, Optimizer& optimizer,
                      GradScaler& scaler, ProcessGroup& group) {
  load_model(checkpoint.path, model, group);
  load_optimizer(checkpoint.path, model, optimizer, group);
  // What comes from nanoGPT has no generator and no loss scale: its resumed runs begin with the
  // seed and a fresh one.
  const Manifest& state = checkpoint.manifest;
  if (!state.generator_state.empty()) scaler.restore({state.loss_scale, state.scale_growth_steps});
}

std::optional<CheckpointInfo> last_checkpoint(const CheckpointStore& store, ProcessGroup& group) {
  std::optional<CheckpointInfo> found;
  if (group.is_first() && !store.replaces_at_next_save()) found = store.newest_good();
  return shared_checkpoint(found, group);
}

std::optional<CheckpointInfo> shared_checkpoint(const std::optional<CheckpointInfo>& found,
                                                ProcessGroup& group) {
  if (group.size() == 1) return found;
  nlohmann::json told;
  if (group.is_first() && found)
    told = {{"path", found->path.string()},
            {"step", found->step},
            {"manifest", to_json(found->manifest)}};
  told = nlohmann::json::parse(group.all_texts(told.dump()).front());
  if (group.is_first() || told.is_null()) return found;
  const std::string path = told.at("path");
  return CheckpointInfo{.path = path,
                        .step = told.at("step"),
                        .good = true,
                        .problem = "",
                        .manifest = parse_manifest(told.at("manifest").get<std::string>(), path)};
}

}  // namespace gpt
