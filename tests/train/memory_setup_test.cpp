#include "gpt/train/memory_setup.h"

#include <gtest/gtest.h>

#include "gpt/base/strings.h"
#include "gpt/device/memory.h"

#include "support/environment.h"
#include "support/system_folder.h"
#include "support/tiny_config.h"

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

// The copy is given up only where no plan has space for it, and that is said.
TEST(SetUpMemory, WithoutSpaceForTheCopyCheckpointsAreWrittenSynchronously) {
  const testing::TempDir dir;
  TrainConfig config = testing::tiny_config(dir);
  config.io.async_checkpoints = true;
  config.model.n_embd = 256, config.model.n_head = 4;
  config.model.vocab_size.value = 61;
  const Compute compute{c10::Device(c10::kCPU), at::kFloat};
  const auto smallest = [&](bool copy) {
    TrainConfig asked = config;
    asked.io.async_checkpoints = copy;
    return plan_for(asked, compute).ranked.smallest.needs();
  };
  const std::int64_t with = smallest(true), without = smallest(false);
  ASSERT_GT(with, without + (1 << 20));
  for (const bool enough : {true, false}) {
    TrainConfig asked = config;
    asked.memory.memory_limit = concat(enough ? with + 4096 : (with + without) / 2, "B");
    ::testing::internal::CaptureStderr();
    const MachinePlan planned = set_up_memory(asked, std::nullopt, compute);
    const std::string said = ::testing::internal::GetCapturedStderr();
    limit_memory(compute.device, 0);
    EXPECT_TRUE(planned.ranked.best);
    EXPECT_EQ(asked.io.async_checkpoints, enough);
    EXPECT_EQ(said.find("checkpoints are written synchronously") == std::string::npos, enough)
        << said;
  }
}

}  // namespace
}  // namespace gpt
