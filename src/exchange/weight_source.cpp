#include "gpt/exchange/weight_source.h"

#include <cstdint>
#include <cstring>
#include <map>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"

namespace gpt {

at::Tensor float_tensor(const TensorView& view, const std::string& where) {
  static const std::map<std::string, at::ScalarType> kTypes = {
      {"F32", at::kFloat}, {"F64", at::kDouble}, {"F16", at::kHalf}, {"BF16", at::kBFloat16}};
  const auto type = kTypes.find(view.dtype);
  if (type == kTypes.end())
    throw InputError(where + ": expected floating-point values, found " + view.dtype);
  const auto address = reinterpret_cast<std::uintptr_t>(view.bytes.data());
  if (address % c10::elementSize(type->second) == 0 && !view.bytes.empty())
    // from_blob wants a pointer that may be written; nobody writes here.
    return at::from_blob(const_cast<std::byte*>(view.bytes.data()), view.shape, type->second)
        .to(at::kFloat);
  const at::Tensor copy = at::empty(view.shape, type->second);
  std::memcpy(copy.mutable_data_ptr(), view.bytes.data(), view.bytes.size());
  return copy.to(at::kFloat);
}

void load_weights(const WeightSource& source, const ParameterList& parameters) {
  const at::NoGradGuard no_grad;
  for (const Parameter& parameter : parameters) {
    at::Tensor weight = source.weight(parameter.name);
    const at::Tensor target = parameter.tensor.detach();
    if (parameter.name == "transformer.wpe.weight" && weight.size(0) > target.size(0))
      weight = weight.narrow(0, 0, target.size(0));
    if (weight.sizes() != target.sizes())
      throw InputError(concat(source.origin(), ": ", parameter.name, " is ",
                              shape_text(weight.sizes().vec()), ", the model needs ",
                              shape_text(target.sizes().vec())));
    target.copy_(weight);
  }
}

}  // namespace gpt
