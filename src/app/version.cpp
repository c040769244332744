#include "app/version.h"

#include <torch/version.h>

#include "gpt/base/strings.h"
#include "gpt/kernels/device.h"

namespace gpt {

std::string version() {
  return GPT_VERSION;
}

std::string version_details() {
  return concat("gpttrain ", version(), *GPT_COMMIT ? " (commit " GPT_COMMIT ")" : "",
                "\nLibTorch ", TORCH_VERSION, "\ncompiler g++ ", __VERSION__,
                ", build " GPT_BUILD_TYPE "\nback ends: cpu",
                device_facts().built_with_cuda ? ", cuda (sm_80 sm_86 sm_89 sm_90)" : "");
}

}  // namespace gpt
