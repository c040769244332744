#include "gpt/device/cpu_memory.h"

#include <thread>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace gpt {
namespace {

class CpuMemory : public ::testing::Test {
 protected:
  void SetUp() override { install_cpu_memory(); }
  void TearDown() override {
    set_cpu_memory_limit(0);
    fail_cpu_allocations(0);
  }
};

at::Tensor bytes(std::int64_t count) {
  return at::empty({count}, at::kByte);
}

TEST_F(CpuMemory, CountsWhatTensorsHold) {
  EXPECT_EQ(cpu_block_bytes(0), 0u);
  EXPECT_EQ(cpu_block_bytes(1), 128u);
  EXPECT_EQ(cpu_block_bytes(64), 128u);
  EXPECT_EQ(cpu_block_bytes(65), 192u);

  const std::uint64_t before = cpu_memory_now();
  reset_cpu_memory_peak();
  const std::int64_t count = cpu_allocations();
  {
    const at::Tensor a = bytes(1000), none = bytes(0), b = bytes(1 << 20);
    EXPECT_EQ(cpu_memory_now() - before, cpu_block_bytes(1000) + cpu_block_bytes(1 << 20));
    EXPECT_EQ(cpu_allocations() - count, 2);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b.data_ptr()) % 64, 0u);
  }
  EXPECT_EQ(cpu_memory_now(), before);
  EXPECT_EQ(cpu_memory_peak() - before, cpu_block_bytes(1000) + cpu_block_bytes(1 << 20));
  reset_cpu_memory_peak();
  EXPECT_EQ(cpu_memory_peak(), before);
}

TEST_F(CpuMemory, RefusesPastTheLimitAndOnlyThat) {
  const std::uint64_t before = cpu_memory_now();
  set_cpu_memory_limit(before + (1 << 20));
  const at::Tensor half = bytes(1 << 19);
  EXPECT_THROW(bytes(1 << 19), c10::OutOfMemoryError);  // the headers are too much
  EXPECT_EQ(cpu_memory_now() - before, cpu_block_bytes(1 << 19));
  EXPECT_EQ(last_cpu_refusal().asked, cpu_block_bytes(1 << 19));
  EXPECT_EQ(last_cpu_refusal().in_use, before + cpu_block_bytes(1 << 19));
  const at::Tensor rest = bytes((1 << 19) - 128);
  EXPECT_EQ(cpu_memory_now(), cpu_memory_limit());
  set_cpu_memory_limit(0);
  EXPECT_NO_THROW(bytes(1 << 21));
}

TEST_F(CpuMemory, WhatTheSystemRefusesIsOutOfMemoryToo) {
  const std::uint64_t before = cpu_memory_now();
  EXPECT_THROW(bytes(std::int64_t{1} << 60), c10::OutOfMemoryError);
  EXPECT_EQ(cpu_memory_now(), before);
}

TEST_F(CpuMemory, FailsTheAllocationsItIsToldTo) {
  fail_cpu_allocations(3, 2);
  std::vector<bool> made;
  for (int i = 0; i < 6; ++i) {
    try {
      bytes(100);
      made.push_back(true);
    } catch (const c10::OutOfMemoryError&) {
      made.push_back(false);
    }
  }
  EXPECT_EQ(made, (std::vector<bool>{true, true, false, false, true, true}));
}

TEST_F(CpuMemory, AnExceptionOfABackwardPassKeepsItsType) {
  const at::Tensor w = at::ones({256, 256}).set_requires_grad(true);
  const at::Tensor loss = at::gelu(at::mm(w, w)).sum();
  fail_cpu_allocations(3);
  EXPECT_THROW(loss.backward(), c10::OutOfMemoryError);
}

TEST_F(CpuMemory, CountsInManyThreads) {
  const std::uint64_t before = cpu_memory_now();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      std::vector<at::Tensor> held;
      for (int i = 0; i < 2000; ++i) {
        held.push_back(bytes(1 + i));
        if (i % 3 == 0) held.erase(held.begin());
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(cpu_memory_now(), before);
}

}  // namespace
}  // namespace gpt
