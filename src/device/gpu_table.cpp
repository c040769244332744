#include "gpt/device/gpu_table.h"

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
      {"GH200", 989, 4000, 132, 94.5, 350, 90},
      {"H200", 989, 4800, 132, 139.8, 50, 90},
      {"H100 PCIe", 756, 2000, 114, 79.2, 50, 90},
      {"H100 NVL", 835, 3900, 132, 93.1, 50, 90},
      {"H100", 989, 3350, 132, 79.2, 50, 90},
      {"B200", 2250, 8000, 148, 178.4, 50, 100},
      {"A100", 312, 1935, 108, 79.2, 22, 80},
      {"A800", 312, 1935, 108, 79.2, 22, 80},
      {"A4000", 76.7, 448, 48, 15.7, 22, 86},
      {"A40", 149.7, 696, 84, 44.4, 22, 86},
      {"A30", 165, 933, 56, 23.5, 22, 80},
      {"A10G", 70, 600, 80, 22, 22, 86},
      {"A10", 125, 600, 72, 22, 22, 86},
      {"L40S", 362, 864, 142, 44.4, 22, 89},
      {"L40", 181, 864, 142, 44.4, 22, 89},
      {"L4", 121, 300, 58, 22, 22, 89},
      {"RTX 6000 Ada", 364, 960, 142, 47.4, 22, 89},
      {"RTX A6000", 154.8, 768, 84, 47.4, 22, 86},
      {"RTX 5090", 209.5, 1792, 170, 31.3, 50, 120},
      {"RTX 5080", 112.6, 960, 84, 15.5, 50, 120},
      {"RTX 4090", 165.2, 1008, 128, 23.6, 22, 89},
      {"RTX 4080", 97.5, 717, 76, 15.7, 22, 89},
      {"RTX 4070 Ti", 80.2, 504, 60, 11.7, 22, 89},
      {"RTX 4070", 58.3, 504, 46, 11.7, 22, 89},
      {"RTX 4060 Ti", 44.1, 288, 34, 15.6, 11, 89},
      {"RTX 4060", 30.2, 272, 24, 7.78, 11, 89},
      {"RTX 4050", 25, 192, 20, 5.77, 11, 89},
      {"RTX 3090", 71, 936, 82, 23.6, 22, 86},
      {"RTX 3080", 59.5, 760, 68, 9.77, 22, 86},
      {"RTX 3070", 40.6, 448, 46, 7.78, 22, 86},
      {"RTX 3060", 25.5, 360, 28, 11.69, 22, 86},
      {"V100", 125, 900, 80, 15.8, 11, 70},
      {"T4", 65, 320, 40, 14.6, 11, 75},
  };
  return kTable;
}

const GpuFacts* find_gpu(const std::string& name) {
  const std::string wanted = letters_and_digits(name);
  for (const GpuFacts& gpu : gpu_table())
    if (wanted.find(letters_and_digits(gpu.name)) != std::string::npos) return &gpu;
  return nullptr;
}

double table_peak(const std::string& gpu_name) {
  const GpuFacts* gpu = find_gpu(gpu_name);
  return gpu ? gpu->tflops * 1e12 : 0;
}

std::int64_t library_workspace(int capability) {
  return std::int64_t{capability >= 90 ? 32 : 8} << 20;
}

std::int64_t deterministic_workspace() {
  return std::int64_t{8 * 4} << 20;
}

}  // namespace gpt
