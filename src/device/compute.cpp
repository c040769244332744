#include "gpt/device/compute.h"

#include "gpt/base/error.h"

namespace gpt {

c10::ScalarType scalar_type(const std::string& dtype) {
  if (dtype == "float32") return at::kFloat;
  if (dtype == "bfloat16") return at::kBFloat16;
  if (dtype == "float16") return at::kHalf;
  throw Error("dtype '" + dtype + "' was not resolved");
}

}  // namespace gpt
