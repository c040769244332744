#include "app/version.h"

#include <torch/version.h>

#include "gpt/base/strings.h"

namespace gpt {

std::string version() {
  return GPT_VERSION;
}

std::string version_details() {
  return concat("gpttrain ", version(), *GPT_COMMIT ? " (commit " GPT_COMMIT ")" : "",
                "\nLibTorch ", TORCH_VERSION, "\ncompiler g++ ", __VERSION__,
                ", build " GPT_BUILD_TYPE "\nback ends: cpu",
                *GPT_CUDA_FOR ? ", cuda (" GPT_CUDA_FOR ")" : "");
}

}  // namespace gpt
