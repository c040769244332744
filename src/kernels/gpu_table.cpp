#include "gpt/kernels/gpu_table.h"

#include <cctype>

namespace gpt {

namespace {

// "NVIDIA GeForce RTX 3060" and "rtx3060" have the same letters and digits in the end.
std::string letters_and_digits(const std::string& text) {
  std::string out;
  for (const char c : text)
    if (std::isalnum(static_cast<unsigned char>(c)))
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

}  // namespace

const std::vector<GpuFacts>& gpu_table() {
  static const std::vector<GpuFacts> kTable{
      {"GH200", 989, 4000, 132, 94.5, 350, true},
      {"H200", 989, 4800, 132, 139.8, 50, true},
      {"H100 PCIe", 756, 2000, 114, 79.2, 50, true},
      {"H100 NVL", 835, 3900, 132, 93.1, 50, true},
      {"H100", 989, 3350, 132, 79.2, 50, true},
      {"B200", 2250, 8000, 148, 178.4, 50, true},
      {"A100", 312, 1935, 108, 79.2, 22, true},
      {"A800", 312, 1935, 108, 79.2, 22, true},
      {"A4000", 76.7, 448, 48, 15.7, 22, true},
      {"A40", 149.7, 696, 84, 44.4, 22, true},
      {"A30", 165, 933, 56, 23.5, 22, true},
      {"A10G", 70, 600, 80, 22, 22, true},
      {"A10", 125, 600, 72, 22, 22, true},
      {"L40S", 362, 864, 142, 44.4, 22, true},
      {"L40", 181, 864, 142, 44.4, 22, true},
      {"L4", 121, 300, 58, 22, 22, true},
      {"RTX 6000 Ada", 364, 960, 142, 47.4, 22, true},
      {"RTX A6000", 154.8, 768, 84, 47.4, 22, true},
      {"RTX 5090", 209.5, 1792, 170, 31.3, 50, true},
      {"RTX 5080", 112.6, 960, 84, 15.5, 50, true},
      {"RTX 4090", 165.2, 1008, 128, 23.6, 22, true},
      {"RTX 4080", 97.5, 717, 76, 15.7, 22, true},
      {"RTX 4070 Ti", 80.2, 504, 60, 11.7, 22, true},
      {"RTX 4070", 58.3, 504, 46, 11.7, 22, true},
      {"RTX 4060 Ti", 44.1, 288, 34, 15.6, 11, true},
      {"RTX 4060", 30.2, 272, 24, 7.78, 11, true},
      {"RTX 4050", 25, 192, 20, 5.77, 11, true},
      {"RTX 3090", 71, 936, 82, 23.6, 22, true},
      {"RTX 3080", 59.5, 760, 68, 9.77, 22, true},
      {"RTX 3070", 40.6, 448, 46, 7.78, 22, true},
      {"RTX 3060", 25.5, 360, 28, 11.69, 22, true},
      {"V100", 125, 900, 80, 15.8, 11, false},
      {"T4", 65, 320, 40, 14.6, 11, false},
  };
  return kTable;
}

const GpuFacts* find_gpu(const std::string& name) {
  const std::string wanted = letters_and_digits(name);
  for (const GpuFacts& gpu : gpu_table())
    if (wanted.find(letters_and_digits(gpu.name)) != std::string::npos) return &gpu;
  return nullptr;
}

}  // namespace gpt
