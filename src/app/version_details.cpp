#include "app/version_details.h"

#include <torch/version.h>

#include "gpt/base/strings.h"
#include "gpt/base/version.h"

namespace gpt {

std::string version_details() {
  return concat("gpttrain ", version(), commit().empty() ? "" : " (commit " + commit() + ")",
                "\nLibTorch ", TORCH_VERSION, "\ncompiler g++ ", __VERSION__,
                ", build " GPT_BUILD_TYPE "\nback ends: cpu",
                *GPT_CUDA_FOR ? ", cuda (" GPT_CUDA_FOR ")" : "");
}

}  // namespace gpt
