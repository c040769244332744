#include "gpt/base/error.h"

#include <cstring>

namespace gpt {

IoError::IoError(const std::string& path, const std::string& call, int error)
    : Error(path + ": cannot " + call + ": " + std::strerror(error)), error_(error) {}

}  // namespace gpt
