#include "gpt/train/run_weights.h"

#include <utility>

#include <ATen/core/Tensor.h>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/strings.h"
#include "gpt/checkpoint/run_state.h"
#include "gpt/dataprep/dataset_meta.h"
#include "gpt/interop/pretrained.h"
#include "gpt/interop/tensor_file.h"
#include "gpt/train/run_start.h"

namespace gpt {

namespace {

constexpr const char* kManifest = "manifest.json";

class CheckpointWeights : public WeightSource {
 public:
  explicit CheckpointWeights(CheckpointInfo checkpoint)
      : checkpoint_(std::move(checkpoint)), file_(checkpoint_.path / kModelFile) {
    const TrainConfig saved = saved_config(checkpoint_);
    const TensorView* wte = file_.find("transformer.wte.weight");
    if (!wte || wte->shape.size() != 2)
      throw InputError(file_name() + ": has no token embedding; take another checkpoint");
    shape_ = {saved.model, wte->shape[0], saved.data.block_size};
    shape_.config.vocab_size.value = shape_.vocab_size;
    dataset_ = saved.data.dataset;
    masks_documents_ = saved.data.document_mask;
  }

  const ModelShape& shape() const override { return shape_; }
  at::Tensor weight(const std::string& name) const override {
    const TensorView* view = file_.find(name);
    if (!view) throw InputError(file_name() + ": tensor " + name + " is missing");
    return float_tensor(*view, file_name() + ": " + name);
  }
  std::string origin() const override { return checkpoint_.path.string(); }
  std::string dataset() const override { return dataset_; }
  std::string vocabulary_json() const override { return checkpoint_.manifest.vocabulary_json; }
  bool masks_documents() const override { return masks_documents_; }

 private:
  std::string file_name() const { return (checkpoint_.path / kModelFile).string(); }

  CheckpointInfo checkpoint_;
  SafetensorsFile file_;
  ModelShape shape_;
  std::string dataset_;
  bool masks_documents_ = false;
};

CheckpointInfo verified(const fs::path& folder) {
  CheckpointInfo info{.path = folder, .step = 0, .good = true, .problem = "", .manifest = {}};
  info.problem = CheckpointStore::verify(folder, &info.manifest);
  if (!info.problem.empty())
    throw InputError(folder.string() + ": " + info.problem +
                     "; take another checkpoint of the run");
  info.step = info.manifest.step;
  return info;
}

// The checkpoint of this program that a path means; nothing if it is none of ours.
std::optional<CheckpointInfo> own_checkpoint(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) {
    const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
    if (path.filename() == kModelFile && file_exists(folder / kManifest)) return verified(folder);
    return std::nullopt;
  }
  if (file_exists(path / kManifest)) return verified(path);
  if (CheckpointStore(path, 2).list().empty()) return std::nullopt;
  auto found = usual_checkpoint(path);
  if (!found)
    throw InputError(path.string() + ": no good checkpoint here; `gpttrain checkpoint verify " +
                     path.string() + "` says why");
  return found;
}

}  // namespace

std::optional<CheckpointInfo> usual_checkpoint(const fs::path& out_dir) {
  const CheckpointStore store(out_dir, 2);
  auto newest = store.newest_good();
  if (!newest || saved_config(*newest).io.always_save_checkpoint) return newest;
  auto best = store.best_good();
  return best ? best : newest;
}

bool begins_with_weights(const IoConfig& io) {
  return io.init_from != "scratch" && io.init_from != "resume" && io.init_from != "auto";
}

std::unique_ptr<WeightSource> open_source(const std::string& init_from,
                                          const std::string& pretrained_dir,
                                          const SourceHints& hints) {
  if (!is_pretrained_name(init_from))
    if (auto own = own_checkpoint(init_from))
      return std::make_unique<CheckpointWeights>(std::move(*own));
  return open_weights(init_from, pretrained_dir, hints);
}

void check_vocabulary(const WeightSource& source, const std::string& dataset,
                      const std::string& vocabulary_json) {
  const std::string known = source.vocabulary_json();
  if (known.empty() || known == vocabulary_json || same_vocabulary(known, vocabulary_json)) return;
  throw InputError(concat("dataset=", dataset, ": its vocabulary is not the one that ",
                          source.origin(), " was trained with, that of dataset=", source.dataset(),
                          "; prepare the text with that one, or train from scratch"));
}

}  // namespace gpt
