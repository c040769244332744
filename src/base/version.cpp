#include "gpt/base/version.h"

namespace gpt {

std::string version() {
  return GPT_VERSION;
}

std::string commit() {
  return GPT_COMMIT;
}

}  // namespace gpt
