#include "app/prompt_text.h"

#include <gtest/gtest.h>

#include "gpt/base/files.h"

#include "support/temp_dir.h"

namespace gpt {
namespace {

TEST(PromptText, AFileIsReadInTextModeAndTheCommandLineAsItIs) {
  const testing::TempDir dir;
  EXPECT_EQ(prompt_text("a\r\n"), "a\r\n");
  replace_file(dir / "p.txt", "\xEF\xBB\xBFx\r\ny");
  EXPECT_EQ(prompt_text("FILE:" + (dir / "p.txt").string()), "x\ny");
}

}  // namespace
}  // namespace gpt
