#include "gpt/checkpoint/run_state.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>
#include <set>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "gpt/base/checksum.h"
#include "gpt/base/error.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/device/device.h"
#include "gpt/device/memory.h"
#include "gpt/formats/safetensors.h"

namespace gpt {

namespace {

std::span<const std::byte> bytes_of(const at::Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()};
}

// Of AdamW's states and Muon's, by which they are told apart.
constexpr const char* kAdamWState = "exp_avg";
constexpr const char* kMuonState = "momentum_buffer";
constexpr const char* kStates[] = {kAdamWState, "exp_avg_sq", "step", kMuonState};

struct NamedTensor {
  std::string name;
  at::Tensor tensor;
};

std::vector<NamedTensor> model_tensors(const Gpt& model) {
  std::vector<NamedTensor> list;
  for (const Parameter& parameter : model.parameters())
    list.push_back({parameter.name, parameter.tensor.detach()});
  return list;
}

std::vector<NamedTensor> optimizer_tensors(const Gpt& model, const Optimizer& optimizer) {
  std::vector<NamedTensor> list;
  for (std::size_t i = 0; i < model.parameters().size(); ++i)
    for (const auto& [name, tensor] : optimizer.state_tensors(i))
      list.push_back({model.parameters()[i].name + "." + name, tensor});
  return list;
}

// The same shape; of positions, weights or moments, a model with a smaller block_size takes the
// first ones.
bool fits(const std::string& name, at::IntArrayRef shape, at::IntArrayRef target) {
  const bool positions = name.starts_with("transformer.wpe.weight") && target.size() == 2;
  if (positions && shape.size() == 2 && shape[0] > target[0]) return shape[1] == target[1];
  return shape == target;
}

// A tensor that a file has to have.
struct Wanted {
  std::string name;
  std::vector<std::int64_t> sizes;
  std::function<void(const at::Tensor& host)> take;
  std::string parameter = {};  // whose state it is
  std::string other = {};      // of the parameter's state, if another optimizer has updated it
};

// What another optimizer has left of a parameter is no beginning: zeros are.
bool begins_anew(const SafetensorsFile& file, const Wanted& wanted) {
  return !wanted.other.empty() && file.find(wanted.other) != nullptr;
}

at::Tensor read_tensor(const SafetensorsFile& file, const std::filesystem::path& path,
                       const Wanted& wanted, std::size_t count) {
  if (begins_anew(file, wanted)) return at::zeros(wanted.sizes, at::kFloat);
  const TensorView* found = file.find(wanted.name);
  if (!found)
    throw InputError(concat(path.string(), ": tensor ", wanted.name, " is missing; expected ",
                            count, " tensors of this model, found ", file.tensors().size()));
  if (found->dtype != "F32" || !fits(wanted.name, found->shape, wanted.sizes))
    throw InputError(concat(path.string(), ": tensor ", wanted.name, " is ", found->dtype, " ",
                            shape_text(found->shape), ", expected F32 ", shape_text(wanted.sizes)));
  // The file's bytes may be unaligned for from_blob.
  const at::Tensor host = at::empty(wanted.sizes, at::kFloat);
  std::memcpy(host.mutable_data_ptr(), found->bytes.data(), host.nbytes());
  check_mapped(found->bytes);
  return host;
}

void refuse_others(const SafetensorsFile& file, const std::filesystem::path& path,
                   const std::vector<Wanted>& all) {
  std::set<std::string> known;
  for (const Wanted& wanted : all) {
    known.insert(wanted.name);
    if (begins_anew(file, wanted))
      for (const char* state : kStates) known.insert(wanted.parameter + "." + state);
  }
  for (const TensorView& tensor : file.tensors())
    if (!known.contains(tensor.name))
      throw InputError(concat(path.string(), ": tensor ", tensor.name, " is not in this model"));
}

void load_all(const std::filesystem::path& path, const std::vector<Wanted>& all,
              ProcessGroup& group) {
  const at::NoGradGuard no_grad;
  std::optional<SafetensorsFile> file;
  if (group.is_first()) file.emplace(path);
  for (const Wanted& wanted : all) {
    const at::Tensor host =
        file ? read_tensor(*file, path, wanted, all.size()) : at::empty(wanted.sizes, at::kFloat);
    group.broadcast({host});
    wanted.take(host);
  }
  if (file) refuse_others(*file, path, all);
}

}  // namespace

RunTensors::RunTensors(const Gpt& model, const Optimizer& optimizer) {
  parts_.resize(2);
  parts_[0].file_name = kModelFile;
  for (const auto& [name, tensor] : model_tensors(model)) add(parts_[0], name, tensor);
  parts_[1].file_name = kOptimizerFile;
  for (const auto& [name, tensor] : optimizer_tensors(model, optimizer))
    add(parts_[1], name, tensor);
}

void RunTensors::add(CheckpointPart& part, std::string name, const at::Tensor& tensor) {
  if (!tensor.defined()) return;
  const at::Tensor host = tensor.to(at::kCPU).contiguous();  // the same tensor on the CPU
  host_.push_back(host);
  part.tensors.push_back({std::move(name), "F32", host.sizes().vec(), bytes_of(host)});
}

RunCopy::RunCopy(const Gpt& model, const Optimizer& optimizer, const c10::Device& device,
                 bool holds)
    : device_(device) {
  if (!holds) return;
  parts_.resize(2);
  parts_[0].file_name = kModelFile;
  parts_[1].file_name = kOptimizerFile;
  for (const Parameter& parameter : model.parameters())
    add(parts_[0], parameter.name, parameter.tensor.sizes());
  for (std::size_t i = 0; i < model.parameters().size(); ++i)
    for (const auto& [name, sizes] : optimizer.state_shapes(i))
      add(parts_[1], model.parameters()[i].name + "." + name, sizes);
}

void RunCopy::add(CheckpointPart& part, const std::string& name, at::IntArrayRef sizes) {
  host_.push_back(host_zeros(sizes, device_));
  part.tensors.push_back({name, "F32", sizes.vec(), bytes_of(host_.back())});
}

// One tensor after the other: those that were collected from other processes are not all in memory
// at once.
void RunCopy::take(const Gpt& model, const Optimizer& optimizer) {
  const at::NoGradGuard no_grad;
  std::size_t next = 0;
  const auto copy = [&](const at::Tensor& tensor) {
    if (!host_.empty()) host_.at(next++).copy_(tensor, /*non_blocking=*/true);
  };
  for (const Parameter& parameter : model.parameters()) copy(parameter.tensor.detach());
  for (std::size_t i = 0; i < model.parameters().size(); ++i)
    for (const auto& [name, tensor] : optimizer.state_tensors(i)) copy(tensor);
  synchronize(device_);
}

void load_model(const std::filesystem::path& directory, const Gpt& model, ProcessGroup& group) {
  std::vector<Wanted> all;
  for (const auto& [name, tensor] : model_tensors(model))
    all.push_back({name, tensor.sizes().vec(),
                   [target = tensor](const at::Tensor& host) { target.copy_(host); }});
  load_all(directory / kModelFile, all, group);
}

ParameterList load_parameters(const std::filesystem::path& directory) {
  const SafetensorsFile file(directory / kModelFile);
  ParameterList list;
  for (const TensorView& view : file.tensors()) {
    if (view.dtype != "F32")
      throw InputError(concat((directory / kModelFile).string(), ": tensor ", view.name, " is ",
                              view.dtype, ", expected F32"));
    const at::Tensor tensor = at::empty(view.shape, at::kFloat);
    std::memcpy(tensor.mutable_data_ptr(), view.bytes.data(), view.bytes.size());
    check_mapped(view.bytes);
    list.push_back({view.name, tensor});
  }
  return list;
}

namespace {

// Says so if the run's optimizer is another one than the checkpoint's.
void tell_of_new_states(const std::filesystem::path& path, const std::vector<Wanted>& all) {
  const SafetensorsFile file(path);
  std::set<std::string> parameters;
  bool muon = false;
  for (const Wanted& wanted : all)
    if (begins_anew(file, wanted)) {
      parameters.insert(wanted.parameter);
      muon = wanted.other.ends_with(kAdamWState);
    }
  if (parameters.empty()) return;
  log_warning(concat(path.string(), ": was saved with optimizer=", muon ? "adamw" : "muon",
                     "; the ", muon ? "momentum" : "moments", " of ", parameters.size(),
                     " tensors, which ", muon ? "Muon" : "AdamW", " updates from here on, begin",
                     muon ? "s" : "", " at zero, and all else continues (optimizer=",
                     muon ? "adamw" : "muon", " continues with all of it)"));
}

}  // namespace

void load_optimizer(const std::filesystem::path& directory, const Gpt& model, Optimizer& optimizer,
                    ProcessGroup& group) {
  std::vector<Wanted> all;
  for (std::size_t i = 0; i < model.parameters().size(); ++i) {
    const std::string& parameter = model.parameters()[i].name;
    const std::vector<Optimizer::StateShape> shapes = optimizer.state_shapes(i);
    const bool muon = std::any_of(shapes.begin(), shapes.end(),
                                  [](const auto& shape) { return shape.name == kMuonState; });
    for (const auto& [name, sizes] : shapes)
      all.push_back({.name = parameter + "." + name,
                     .sizes = sizes,
                     .take = [&optimizer, i, state = name](
                                 const at::Tensor& host) { optimizer.restore(i, state, host); },
                     .parameter = parameter,
                     .other = parameter + "." + (muon ? kAdamWState : kMuonState)});
  }
  load_all(directory / kOptimizerFile, all, group);
  if (group.is_first()) tell_of_new_states(directory / kOptimizerFile, all);
}

std::uint32_t state_checksum(const Gpt& model, const Optimizer& optimizer) {
  Crc32c crc;
  const RunTensors tensors(model, optimizer);
  for (const CheckpointPart& part : tensors.parts())
    for (const TensorView& tensor : part.tensors) crc.update(tensor.bytes);
  return crc.value();
}

}  // namespace gpt
