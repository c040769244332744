#include "gpt/formats/finite.h"

#include <cstdint>
#include <cstring>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

// By their bits: exponents of ones only. No alignment is asked for.
template <class Bits>
std::size_t count_with(std::span<const std::byte> bytes, Bits exponent) {
  std::size_t count = 0;
  for (std::size_t at = 0; at + sizeof(Bits) <= bytes.size(); at += sizeof(Bits)) {
    Bits bits;
    std::memcpy(&bits, bytes.data() + at, sizeof bits);
    count += (bits & exponent) == exponent;
  }
  return count;
}

std::size_t count_non_finite(const TensorView& tensor) {
  if (tensor.dtype == "F32") return count_with<std::uint32_t>(tensor.bytes, 0x7F800000u);
  if (tensor.dtype == "BF16") return count_with<std::uint16_t>(tensor.bytes, 0x7F80u);
  if (tensor.dtype == "F16") return count_with<std::uint16_t>(tensor.bytes, 0x7C00u);
  if (tensor.dtype == "F64") return count_with<std::uint64_t>(tensor.bytes, 0x7FF0000000000000u);
  return 0;
}

}  // namespace

std::string non_finite_values(std::span<const TensorView> tensors) {
  std::string first;
  std::size_t more = 0;
  for (const TensorView& tensor : tensors) {
    const std::size_t count = count_non_finite(tensor);
    if (count == 0) continue;
    if (!first.empty())
      ++more;
    else
      first = concat(tensor.name, ": ", count, " of ",
                     tensor.bytes.size() / safetensors_dtype_size(tensor.dtype),
                     " value(s) are NaN or infinite");
  }
  return more > 0 ? concat(first, ", and so are some of ", more, " more tensor(s)") : first;
}

void require_finite(std::span<const TensorView> tensors, const std::string& where) {
  const std::string found = non_finite_values(tensors);
  if (found.empty()) return;
  throw InputError(concat(where, ": ", found,
                          "; take a checkpoint from before the run diverged (`gpttrain import` and "
                          "`export` take this one all the same with --allow_nonfinite=True)"));
}

}  // namespace gpt
