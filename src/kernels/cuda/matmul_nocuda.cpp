#include "matmul_backend.h"

namespace gpt {

bool multiplies(const at::Tensor&) {
  return false;
}

bool multiply(const Product&) {
  return false;
}

}  // namespace gpt
