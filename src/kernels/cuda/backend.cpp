#include "backend.h"

namespace gpt {

Float float_type(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return Float::kFloat32;
    case at::kDouble:
      return Float::kFloat64;
    case at::kBFloat16:
      return Float::kBFloat16;
    case at::kHalf:
      return Float::kFloat16;
    default:
      TORCH_CHECK(false, "a floating-point tensor was expected, got ", type);
  }
}

}  // namespace gpt
