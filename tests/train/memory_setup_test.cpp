#include "gpt/train/memory_setup.h"

#include <gtest/gtest.h>

#include "support/environment.h"
#include "support/system_folder.h"

namespace gpt {
namespace {

using testing::Environment;
using testing::SystemFolder;

// Expandable segments fail there on many cards.
TEST(AllocatorWords, WindowsGetsTheNativeAllocator) {
  const Environment no_words("PYTORCH_ALLOC_CONF", std::nullopt),
      no_old_words("PYTORCH_CUDA_ALLOC_CONF", std::nullopt);
  const SystemFolder linux_system, windows;
  windows.write("proc/sys/kernel/osrelease", "6.6.87.2-microsoft-standard-WSL2\n");
  EXPECT_EQ(allocator_words("auto", linux_system.root), "expandable_segments:True");
  EXPECT_EQ(allocator_words("auto", windows.root), "expandable_segments:False");
  EXPECT_EQ(allocator_words("expandable_segments", windows.root), "expandable_segments:True");
  EXPECT_EQ(allocator_words("native", linux_system.root), "expandable_segments:False");
  EXPECT_EQ(allocator_words("max_split_size_mb:128", windows.root), "max_split_size_mb:128");
  const Environment words("PYTORCH_ALLOC_CONF", "max_split_size_mb:64");
  EXPECT_EQ(allocator_words("auto", windows.root), "");
}

}  // namespace
}  // namespace gpt
