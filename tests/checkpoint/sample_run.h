// A run in miniature: checkpoints whose tensors all follow from one number, the tag.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "gpt/checkpoint/store.h"

#include "support/temp_dir.h"

namespace gpt::testing {

class SampleTensors {
 public:
  explicit SampleTensors(std::int64_t tag)
      : weight_(300, static_cast<float>(tag)), moment_(77, static_cast<float>(tag) + 0.5f) {
    parts_.push_back({"model.safetensors", {view("wte.weight", {30, 10}, weight_)}});
    parts_.push_back({"optimizer.safetensors", {view("wte.weight.exp_avg", {77}, moment_)}});
  }
  SampleTensors(const SampleTensors&) = delete;
  SampleTensors& operator=(const SampleTensors&) = delete;
  const std::vector<CheckpointPart>& parts() const { return parts_; }

 private:
  static TensorView view(std::string name, std::vector<std::int64_t> shape,
                         const std::vector<float>& values) {
    return {std::move(name), "F32", std::move(shape), std::as_bytes(std::span(values))};
  }
  std::vector<float> weight_, moment_;
  std::vector<CheckpointPart> parts_;
};

inline Manifest sample_manifest(std::int64_t step, std::int64_t tag, bool best = false) {
  Manifest manifest;
  manifest.step = step;
  manifest.reason = "interval";
  manifest.best = best;
  manifest.val_loss = 4.0 - 0.001 * static_cast<double>(tag);
  manifest.tokens_seen = tag;
  manifest.config_json = "{\"n_layer\": 2}";
  manifest.pending_offsets = {tag, tag + 1};
  manifest.generator_state = std::string("state\0\xff", 7);
  return manifest;
}

inline void save(CheckpointStore& store, std::int64_t step, std::int64_t tag, bool best = false) {
  const SampleTensors tensors(tag);
  store.save(sample_manifest(step, tag, best), tensors.parts());
}

// The tag that manifest and tensors agree on; -1 if they do not.
inline std::int64_t tag_of(const CheckpointInfo& info) {
  const std::int64_t tag = info.manifest.tokens_seen;
  const SampleTensors expected(tag);
  for (const CheckpointPart& part : expected.parts()) {
    const SafetensorsFile file(info.path / part.file_name);
    for (const TensorView& tensor : part.tensors) {
      const TensorView* found = file.find(tensor.name);
      if (!found || found->bytes.size() != tensor.bytes.size() ||
          std::memcmp(found->bytes.data(), tensor.bytes.data(), tensor.bytes.size()) != 0)
        return -1;
    }
  }
  return tag;
}

// That of the newest good checkpoint, as a fresh process would find it; -2 if there is none.
inline std::int64_t newest_tag(const fs::path& out_dir) {
  const auto info = CheckpointStore(out_dir, 2).newest_good();
  return info ? tag_of(*info) : -2;
}

// The names in a folder, sorted, separated by spaces.
inline std::string name_list(const fs::path& folder) {
  std::string text;
  for (const std::string& name : names_in(folder)) text += (text.empty() ? "" : " ") + name;
  return text;
}

}  // namespace gpt::testing
