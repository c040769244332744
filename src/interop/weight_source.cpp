#include "gpt/interop/weight_source.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "gpt/base/error.h"
#include "gpt/base/log.h"
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
    require_finite(weight, parameter.name, source.origin());
    target.copy_(weight);
    check_source(weight);
  }
}

std::int64_t settled_heads(std::int64_t said, std::int64_t n_embd, const SourceHints& hints,
                           const std::string& origin) {
  constexpr std::int64_t kGpt2 = 64;
  if (said > 0) {
    if (hints.n_head && *hints.n_head != said)
      log_warning(concat("n_head=", *hints.n_head, ": ", origin, " says ", said,
                         ", which is used instead"));
    return said;
  }
  if (hints.n_head) {
    if (n_embd % *hints.n_head != 0)
      throw InputError(concat("n_head=", *hints.n_head, ": does not divide ", n_embd,
                              ", the width of ", origin, "; give the number it was trained with"));
    return *hints.n_head;
  }
  if (n_embd % kGpt2 != 0)
    throw InputError(
        concat(origin, ": does not say how many attention heads it has, and its width of ", n_embd,
               " is no multiple of GPT-2's 64 columns a head; say it with ", "--n_head=N"));
  log_warning(
      concat(origin, ": does not say how many attention heads it has; ", n_embd / kGpt2,
             " of 64 columns each are assumed, as GPT-2 has them (--n_head=N says otherwise)"));
  return n_embd / kGpt2;
}

std::string settled_gelu(const std::string& said, bool conv1d, const SourceHints& hints,
                         const std::string& origin) {
  if (!said.empty()) return said;
  if (!hints.gelu.empty()) return hints.gelu;
  const std::string assumed = conv1d ? "tanh" : "exact";
  log_info(concat(origin, ": does not say which GELU it has; gelu=", assumed, " is assumed, as ",
                  conv1d ? "Hugging Face's" : "nanoGPT", " has it (--gelu says otherwise)"));
  return assumed;
}

}  // namespace gpt
