// What was asked for, against what the machine has.
#pragma once

#include <string>
#include <vector>

namespace gpt {

// What resolve() needs to know of a machine.
struct Hardware {
  int cuda_devices = 0;
  bool built_with_cuda = false;
  bool cuda_bf16 = false;
  bool cpu_bf16 = false;  // native bfloat16 products
};

struct Resolved {
  std::string device;  // "cpu" or "cuda:N"
  std::string dtype;   // "float32", "bfloat16" or "float16"
  std::vector<std::string> warnings;
};

// `device`: auto, cpu, cuda or cuda:N; `dtype`: auto, float32, bfloat16 or float16. The impossible
// falls back with a warning that says what was asked; only a cuda:N beyond the GPUs that are there
// is an InputError.
Resolved resolve(const std::string& device, const std::string& dtype, const Hardware& hardware);

}  // namespace gpt
