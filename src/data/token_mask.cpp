#include "gpt/data/token_mask.h"

#include <algorithm>
#include <cstddef>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

constexpr std::int64_t kCheckedBytes = std::int64_t{256} << 20;
constexpr const char* kMaskRemedy =
    "make the dataset again with gpttrain prepare --force, or count all targets with "
    "--loss_mask=off";

}  // namespace

fs::path TokenMask::path_beside(const fs::path& tokens) {
  return fs::path(tokens).replace_extension(".mask");
}

TokenMask::TokenMask(const fs::path& path, std::int64_t tokens) : file_(path) {
  const auto bytes = static_cast<std::int64_t>(file_.bytes().size());
  if (bytes != tokens)
    throw InputError(concat(path.string(), ": has ", bytes, " bytes, but its token file ", tokens,
                            " tokens, and each needs one: they are not of one dataset; ",
                            kMaskRemedy));
  counted(0, std::min(tokens, kCheckedBytes));
}

void TokenMask::copy(std::int64_t begin, std::int64_t count, bool* out) const {
  const std::byte* first = file_.bytes().data() + begin;
  file_.check_unchanged();
  for (std::int64_t i = 0; i < count; ++i) {
    const auto byte = static_cast<unsigned>(first[i]);
    if (byte > 1)
      throw InputError(concat(file_.path().string(), ": byte ", begin + i, " is ", byte,
                              ", expected 0 or 1: it is no mask; ", kMaskRemedy));
    out[i] = byte == 1;
  }
}

std::int64_t TokenMask::counted(std::int64_t begin, std::int64_t count) const {
  constexpr std::int64_t kPart = 4096;
  bool part[kPart];
  std::int64_t sum = 0;
  for (std::int64_t at = begin; at < begin + count; at += kPart) {
    const std::int64_t size = std::min(kPart, begin + count - at);
    copy(at, size, part);
    sum += std::count(part, part + size, true);
  }
  return sum;
}

}  // namespace gpt
