#include "gpt/base/version.h"

namespace gpt {

std::string version() {
  return GPT_VERSION;
}

}  // namespace gpt
