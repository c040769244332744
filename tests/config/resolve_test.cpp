#include "gpt/config/resolve.h"

#include <gtest/gtest.h>

#include "support/error_text.h"

namespace gpt {
namespace {

using testing::error_text;

const Hardware kLaptop{.cuda_devices = 0, .built_with_cuda = true};
const Hardware kH200{.cuda_devices = 2, .built_with_cuda = true, .cuda_bf16 = true};
const Hardware kOldGpu{.cuda_devices = 1, .built_with_cuda = true, .cuda_bf16 = false};
const Hardware kZen5{.cpu_bf16 = true};

void expect(const Resolved& resolved, const std::string& device, const std::string& dtype,
            const std::string& warning) {
  EXPECT_EQ(resolved.device, device);
  EXPECT_EQ(resolved.dtype, dtype);
  EXPECT_EQ(resolved.warnings.size(), warning.empty() ? 0u : 1u);
  for (const std::string& text : resolved.warnings) EXPECT_EQ(text, warning);
}

TEST(Resolve, WhatIsThereIsUsed) {
  expect(resolve("auto", "auto", kH200), "cuda:0", "bfloat16", "");
  expect(resolve("cuda", "auto", kOldGpu), "cuda:0", "float16", "");
  expect(resolve("cuda:1", "float32", kH200), "cuda:1", "float32", "");
  expect(resolve("auto", "auto", kLaptop), "cpu", "float32", "");
  expect(resolve("cpu", "auto", kH200), "cpu", "float32", "");
  expect(resolve("cpu", "bfloat16", kZen5), "cpu", "bfloat16", "");
}

TEST(Resolve, TheImpossibleFallsBackAndSaysWhatWasAsked) {
  expect(resolve("cuda", "auto", kLaptop), "cpu", "float32",
         "device=cuda was asked for, but no GPU is usable; the CPU is used");
  expect(resolve("cuda:3", "auto", kZen5), "cpu", "float32",
         "device=cuda:3 was asked for, but this gpttrain has no CUDA; the CPU is used");
  expect(resolve("auto", "bfloat16", kOldGpu), "cuda:0", "float16",
         "dtype=bfloat16: this GPU has none; float16 with a gradient scaler is used");
  expect(resolve("cpu", "float16", kH200), "cpu", "float32",
         "dtype=float16 is for GPUs; float32 is used on the CPU");
  expect(resolve("auto", "bfloat16", kLaptop), "cpu", "bfloat16",
         "dtype=bfloat16: this CPU has no bfloat16 products, they are slow");
}

// A card is never silently left alone.
TEST(Resolve, AGpuThatIsThereAndCannotBeUsedIsAnErrorWhereItWasAskedFor) {
  const Hardware unusable{.built_with_cuda = true, .unusable_gpu = "no driver; install one"};
  for (const char* device : {"cuda", "cuda:1"}) {
    EXPECT_THROW(resolve(device, "auto", unusable), UnusableGpu);
    EXPECT_EQ(error_text([&] { resolve(device, "auto", unusable); }),
              std::string("device=") + device +
                  ": no driver; install one; to use the CPU instead, set --device=cpu");
  }
  expect(resolve("auto", "auto", unusable), "cpu", "float32",
         "device=auto: no driver; install one; the CPU is used");
  expect(resolve("cpu", "auto", unusable), "cpu", "float32", "");
  Hardware old = kOldGpu;  // CUDA starts on it, and has no kernels for it
  old.unusable_gpu = "compute capability 7.0";
  EXPECT_THROW(resolve("cuda", "auto", old), UnusableGpu);
}

TEST(Resolve, AGpuThatIsNotThereIsAnError) {
  EXPECT_EQ(error_text([] { resolve("cuda:2", "auto", kH200); }),
            "device=cuda:2: this machine has 2 GPU(s), cuda:0 to cuda:1");
}

}  // namespace
}  // namespace gpt
