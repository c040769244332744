#include "gpt/base/error.h"

#include <cerrno>

#include <gtest/gtest.h>

namespace gpt {
namespace {

TEST(Error, ExitCodesFollowTheKind) {
  EXPECT_EQ(Error("x").exit_code(), kExitFailure);
  EXPECT_EQ(Error("x", kExitStopped).exit_code(), 75);
  EXPECT_EQ(InputError("x").exit_code(), kExitBadInput);
  EXPECT_EQ(IoError("p", "write", EIO).exit_code(), kExitFailure);
}

TEST(Error, IoErrorSaysWhatFailedWhere) {
  const IoError error("out/model.safetensors", "write", ENOSPC);
  EXPECT_STREQ(error.what(), "out/model.safetensors: cannot write: No space left on device");
  EXPECT_EQ(error.error(), ENOSPC);
}

}  // namespace
}  // namespace gpt
