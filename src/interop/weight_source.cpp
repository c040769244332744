#include "gpt/interop/weight_source.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/interop/tensor_file.h"

namespace gpt {

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
    check_source(weight);
  }
}

}  // namespace gpt
