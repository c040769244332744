// What was asked for, against what the machine has.
#pragma once

#include <string>
#include <vector>

#include "gpt/base/error.h"

namespace gpt {

// What resolve() needs to know of a machine.
struct Hardware {
  int cuda_devices = 0;
  bool built_with_cuda = false;
  bool cuda_bf16 = false;
  bool cpu_bf16 = false;  // native bfloat16 products
  // Why a card that is here cannot be used, and what to do about it; "" if it can, or there is
  // none.
  std::string unusable_gpu = {};
};

// A GPU is here and was asked for, and this program cannot use it.
class UnusableGpu : public InputError {
 public:
  using InputError::InputError;
};

struct Resolved {
  std::string device;  // "cpu" or "cuda:N"
  std::string dtype;   // "float32", "bfloat16" or "float16"
  std::vector<std::string> warnings;
};

// `device`: auto, cpu, cuda or cuda:N; `dtype`: auto, float32, bfloat16 or float16. The impossible
// falls back with a warning that says what was asked. A card that is here is never silently left
// alone: where it cannot be used, cuda is an UnusableGpu error and auto a warning. A cuda:N beyond
// the GPUs that are there is an InputError, too.
Resolved resolve(const std::string& device, const std::string& dtype, const Hardware& hardware);

}  // namespace gpt
