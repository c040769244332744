#include "matmul_backend.h"

namespace gpt {

bool multiplies(const at::Tensor&) {
  return false;
}

bool multiply(const MatmulArgs&) {
  return false;
}

}  // namespace gpt
