// What NVIDIA's data sheets say of its cards; for rates that nobody has measured yet.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gpt {

struct GpuFacts {
  const char* name;  // as it occurs in the driver's name: "RTX 3060"
  // Dense bf16/fp16 with fp32 accumulation, GeForce's at half its fp16 rate; of cards without
  // tensor cores the faster of fp16 and fp32.
  double tflops;
  double gb_per_s;  // memory, 1e9 bytes
  int multiprocessors;
  double gib;            // what CUDA reports of the memory, about 2.5 % less than is sold
  double pcie_gb_per_s;  // to the host, one way, as measured bandwidth tests reach
  int capability;        // 86: 8.6

  bool bf16() const { return capability >= 80; }
  bool too_old() const { return capability < 75; }  // for CUDA 13
};

const std::vector<GpuFacts>& gpu_table();

// By the driver's name ("NVIDIA GeForce RTX 3060 Laptop GPU") or as one would type it ("rtx3060",
// "3060 ti", "tesla p40"): the longest name that it begins with, once the makers' words are gone.
// Null if unknown.
const GpuFacts* find_gpu(const std::string& name);

// A card to plan for: a name as above, which may end in the size that it was sold with ("rtx 3060
// 8GB", "A100-SXM4-40GB"), or a size alone ("4GiB"), which is a middling card with that memory.
// Nothing if unknown.
std::optional<GpuFacts> asked_gpu(const std::string& text);

// Dense bf16/fp16 FLOP/s with fp32 accumulation, by the driver's name; 0 if unknown.
double table_peak(const std::string& gpu_name);

// What each of CUDA's matmul libraries holds to work in: 32 MiB on Hopper and later cards, 8
// on others. LibTorch gives that to cuBLAS (8.1), kernels/cuda/matmul_cuda.cpp to cuBLASLt.
std::int64_t library_workspace(int capability);

// What cuBLAS holds in a deterministic run (set_arithmetic), whatever the card: 8 buffers of 4 MiB.
std::int64_t deterministic_workspace();

}  // namespace gpt
