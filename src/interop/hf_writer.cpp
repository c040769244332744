#include "gpt/interop/hf_writer.h"

#include <utility>
#include <vector>

#include <ATen/ATen.h>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/interop/hf_folder.h"
#include "gpt/interop/tensor_file.h"

#include "hf_config.h"

namespace gpt {

namespace {

// Views of all tensors in Hugging Face's layout, and the copies that some of them need.
struct Converted {
  std::vector<at::Tensor> host;
  std::vector<TensorView> views;

  void add(const std::string& name, const at::Tensor& tensor) {
    host.push_back(tensor.contiguous());
    check_source(tensor);
    views.push_back(
        {name,
         "F32",
         host.back().sizes().vec(),
         {static_cast<const std::byte*>(host.back().const_data_ptr()), host.back().nbytes()}});
  }
};

Converted convert(const HfModel& model) {
  ModelShape shape = model.shape;
  shape.config.bias = true;
  Converted converted;
  for (const ParameterShape& parameter : parameter_table(shape)) {
    const TensorView* found = model.weights.find(parameter.name);
    if (!found && !model.shape.config.bias && is_bias(parameter.role)) {
      converted.add(parameter.name, at::zeros(parameter.shape));
      continue;
    }
    if (!found) throw InputError("the checkpoint has no tensor " + parameter.name);
    at::Tensor tensor = float_tensor(*found, parameter.name);
    if (parameter.name == "transformer.wte.weight") tensor = tensor.narrow(0, 0, model.vocab_size);
    converted.add(parameter.name, is_gemm_weight(parameter.role) ? tensor.t() : tensor);
  }
  return converted;
}

void write_text(const fs::path& path, const std::string& text) {
  OutputFile file(path);
  file.write(text);
  file.sync();
  file.close();
}

void write_all(const fs::path& folder, const HfModel& model) {
  ModelShape shape = model.shape;
  shape.vocab_size = model.vocab_size;
  remove_tree(folder);  // what was left there, or a link that would lead elsewhere
  make_directories(folder);
  write_safetensors(folder / "model.safetensors", convert(model).views);
  write_text(folder / "config.json", hf_config_json(shape));
  write_text(folder / "generation_config.json", hf_generation_config_json(shape));
  for (const auto& [name, text] : model.other_files) write_text(folder / name, text);
  sync_directory(folder);
}

}  // namespace

void write_hf_folder(const std::filesystem::path& folder, const HfModel& model,
                     MayReplace may_replace) {
  Replacement replacement(folder, std::move(may_replace));
  write_all(replacement.fresh(), model);
  replacement.commit();
}

}  // namespace gpt
