#include "gpt/device/gpu_table.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <iterator>

namespace gpt {

namespace {

constexpr GpuFacts kCards[] = {
    {"GH200", 989, 4000, 132, 94.5, 350, 90},
    {"GB10", 125, 273, 48, 119, 50, 121},
    {"B300", 2250, 8000, 148, 268, 50, 103},
    {"B200", 2250, 8000, 148, 178.4, 50, 100},
    {"H800", 989, 3350, 132, 79.2, 50, 90},
    {"H200", 989, 4800, 132, 139.8, 50, 90},
    {"H100 PCIe", 756, 2000, 114, 79.2, 50, 90},
    {"H100 NVL", 835, 3900, 132, 93.1, 50, 90},
    {"H100", 989, 3350, 132, 79.2, 50, 90},
    {"H20", 148, 4000, 78, 94.9, 50, 90},
    {"A100", 312, 1935, 108, 79.2, 22, 80},
    {"A800", 312, 1935, 108, 79.2, 22, 80},
    {"A40", 149.7, 696, 84, 44.4, 22, 86},
    {"A30", 165, 933, 56, 23.5, 22, 80},
    {"A16", 17.9, 200, 10, 14.5, 22, 86},
    {"A10G", 70, 600, 80, 22, 22, 86},
    {"A10", 125, 600, 72, 22, 22, 86},
    {"A2", 18, 200, 10, 14.5, 11, 86},
    {"L40S", 362, 864, 142, 44.4, 22, 89},
    {"L40", 181, 864, 142, 44.4, 22, 89},
    {"L20", 119.5, 864, 92, 44.4, 22, 89},
    {"L4", 121, 300, 58, 22, 22, 89},
    {"RTX PRO 6000", 503, 1792, 188, 95, 50, 120},
    {"RTX PRO 5000", 300, 1344, 110, 47, 50, 120},
    {"RTX PRO 4500", 200, 896, 82, 31.3, 50, 120},
    {"RTX PRO 4000", 180, 672, 70, 23.4, 50, 120},
    {"RTX 6000 Ada", 364, 960, 142, 47.4, 22, 89},
    {"RTX 5000 Ada", 261, 576, 100, 31.5, 22, 89},
    {"RTX 4500 Ada", 158, 432, 60, 23.5, 22, 89},
    {"RTX 4000 Ada", 107, 360, 48, 19.6, 22, 89},
    {"RTX 2000 Ada", 48, 224, 22, 15.6, 11, 89},
    {"RTX A6000", 154.8, 768, 84, 47.4, 22, 86},
    {"RTX A5500", 136, 768, 80, 23.6, 22, 86},
    {"RTX A5000", 111.1, 768, 64, 23.6, 22, 86},
    {"RTX A4500", 94.6, 640, 56, 19.6, 22, 86},
    {"RTX A4000", 76.7, 448, 48, 15.7, 22, 86},
    {"RTX A2000", 32, 288, 26, 11.7, 22, 86},
    {"RTX 5090 Laptop", 99, 896, 82, 23.4, 22, 120},
    {"RTX 5090", 209.5, 1792, 170, 31.3, 50, 120},
    {"RTX 5080 Laptop", 80, 896, 60, 15.5, 22, 120},
    {"RTX 5080", 112.6, 960, 84, 15.5, 50, 120},
    {"RTX 5070 Ti Laptop", 56, 672, 46, 11.7, 22, 120},
    {"RTX 5070 Ti", 87.9, 896, 70, 15.5, 50, 120},
    {"RTX 5070 Laptop", 44, 384, 36, 7.78, 22, 120},
    {"RTX 5070", 61.7, 672, 48, 11.7, 50, 120},
    {"RTX 5060 Ti", 47.4, 448, 36, 15.5, 25, 120},
    {"RTX 5060 Laptop", 32, 384, 26, 7.78, 11, 120},
    {"RTX 5060", 38.4, 448, 30, 7.78, 25, 120},
    {"RTX 5050", 26.3, 320, 20, 7.78, 25, 120},
    {"RTX 4090 Laptop", 78, 576, 76, 15.6, 22, 89},
    {"RTX 4090 D", 147, 1008, 114, 23.6, 22, 89},
    {"RTX 4090", 165.2, 1008, 128, 23.6, 22, 89},
    {"RTX 4080 Super", 104.4, 736, 80, 15.7, 22, 89},
    {"RTX 4080 Laptop", 62, 432, 58, 11.7, 22, 89},
    {"RTX 4080", 97.5, 717, 76, 15.7, 22, 89},
    {"RTX 4070 Ti Super", 88.2, 672, 66, 15.7, 22, 89},
    {"RTX 4070 Ti", 80.2, 504, 60, 11.7, 22, 89},
    {"RTX 4070 Super", 71, 504, 56, 11.7, 22, 89},
    {"RTX 4070 Laptop", 40, 256, 36, 7.78, 11, 89},
    {"RTX 4070", 58.3, 504, 46, 11.7, 22, 89},
    {"RTX 4060 Ti", 44.1, 288, 34, 15.6, 11, 89},
    {"RTX 4060", 30.2, 272, 24, 7.78, 11, 89},
    {"RTX 4050", 25, 192, 20, 5.77, 11, 89},
    {"RTX 3090 Ti", 80, 1008, 84, 23.6, 22, 86},
    {"RTX 3090", 71, 936, 82, 23.6, 22, 86},
    {"RTX 3080 Ti Laptop", 47, 512, 58, 15.7, 22, 86},
    {"RTX 3080 Ti", 68.2, 912, 80, 11.7, 22, 86},
    {"RTX 3080 Laptop", 38, 448, 48, 15.7, 22, 86},
    {"RTX 3080", 59.5, 760, 68, 9.77, 22, 86},
    {"RTX 3070 Ti", 43.5, 608, 48, 7.78, 22, 86},
    {"RTX 3070", 40.6, 448, 46, 7.78, 22, 86},
    {"RTX 3060 Ti", 32.4, 448, 38, 7.78, 22, 86},
    {"RTX 3060 Laptop", 26, 336, 30, 5.77, 11, 86},
    {"RTX 3060", 25.5, 360, 28, 11.69, 22, 86},
    {"RTX 3050 Laptop", 14, 192, 16, 3.81, 11, 86},
    {"RTX 3050", 18.2, 224, 20, 7.78, 11, 86},
    {"RTX 2050", 10, 112, 16, 3.81, 5, 86},
    {"RTX 2080 Ti", 53.8, 616, 68, 10.75, 11, 75},
    {"RTX 2080 Super", 44.6, 496, 48, 7.78, 11, 75},
    {"RTX 2080", 40.3, 448, 46, 7.78, 11, 75},
    {"RTX 2070 Super", 36.3, 448, 40, 7.78, 11, 75},
    {"RTX 2070", 29.9, 448, 36, 7.78, 11, 75},
    {"RTX 2060 Super", 28.7, 448, 34, 7.78, 11, 75},
    {"RTX 2060", 25.8, 336, 30, 5.77, 11, 75},
    {"Titan RTX", 130.5, 672, 72, 23.6, 11, 75},
    {"Titan V", 110, 653, 80, 11.8, 11, 70},
    {"Titan Xp", 12.1, 548, 30, 11.9, 11, 61},
    {"Titan X", 11, 480, 28, 11.9, 11, 61},
    {"Quadro RTX 8000", 130.5, 672, 72, 47.4, 11, 75},
    {"Quadro RTX 6000", 130.5, 672, 72, 23.6, 11, 75},
    {"Quadro RTX 5000", 89.2, 448, 48, 15.7, 11, 75},
    {"Quadro RTX 4000", 57, 416, 36, 7.78, 11, 75},
    {"Quadro RTX 3000", 42, 448, 30, 5.77, 11, 75},
    {"Quadro GV100", 118.5, 870, 80, 31.7, 11, 70},
    {"Quadro GP100", 20.7, 717, 56, 15.9, 11, 60},
    {"Quadro P6000", 12.6, 432, 30, 23.9, 11, 61},
    {"Quadro P5000", 8.9, 288, 20, 15.9, 11, 61},
    {"Quadro P4000", 5.3, 243, 14, 7.92, 11, 61},
    {"Quadro P2200", 3.8, 200, 10, 4.93, 11, 61},
    {"Quadro P2000", 3, 140, 8, 4.93, 11, 61},
    {"Quadro P1000", 1.9, 82, 5, 3.95, 11, 61},
    {"Quadro P620", 1.4, 80, 4, 1.95, 11, 61},
    {"Quadro P600", 1.2, 64, 3, 1.95, 11, 61},
    {"Quadro P400", 0.6, 32, 2, 1.95, 11, 61},
    {"Quadro M6000", 6.1, 317, 24, 11.9, 11, 52},
    {"Quadro M4000", 2.6, 192, 13, 7.93, 11, 52},
    {"Quadro M2000", 1.8, 106, 6, 3.95, 11, 52},
    {"Quadro T2000", 7.2, 128, 16, 3.81, 11, 75},
    {"Quadro T1000", 5.2, 160, 14, 3.81, 11, 75},
    {"T1200", 7.2, 224, 16, 3.81, 11, 75},
    {"T600", 3.4, 160, 10, 3.81, 11, 75},
    {"T500", 6, 80, 14, 3.81, 5, 75},
    {"T400", 2.2, 80, 6, 3.81, 11, 75},
    {"GTX 1660 Ti", 10.9, 288, 24, 5.77, 11, 75},
    {"GTX 1660 Super", 10, 336, 22, 5.77, 11, 75},
    {"GTX 1660", 10, 192, 22, 5.77, 11, 75},
    {"GTX 1650 Super", 8.8, 192, 20, 3.81, 11, 75},
    {"GTX 1650 Ti", 6.1, 192, 16, 3.81, 11, 75},
    {"GTX 1650", 6, 128, 14, 3.81, 11, 75},
    {"GTX 1630", 3.7, 96, 8, 3.81, 11, 75},
    {"MX550", 5.9, 96, 16, 1.95, 5, 75},
    {"MX450", 6, 80, 14, 1.95, 5, 75},
    {"GTX 1080 Ti", 11.3, 484, 28, 10.9, 11, 61},
    {"GTX 1080", 8.9, 320, 20, 7.92, 11, 61},
    {"GTX 1070 Ti", 8.2, 256, 19, 7.92, 11, 61},
    {"GTX 1070", 6.5, 256, 15, 7.92, 11, 61},
    {"GTX 1060", 4.4, 192, 10, 5.93, 11, 61},
    {"GTX 1050 Ti", 2.1, 112, 6, 3.95, 11, 61},
    {"GTX 1050", 1.9, 112, 5, 1.95, 11, 61},
    {"GT 1030", 1.1, 48, 3, 1.95, 3, 61},
    {"MX350", 1.3, 56, 5, 1.95, 3, 61},
    {"MX250", 1.2, 56, 3, 1.95, 3, 61},
    {"MX150", 1.1, 48, 3, 1.95, 3, 61},
    {"GTX 980 Ti", 5.6, 337, 22, 5.93, 11, 52},
    {"GTX 980", 4.6, 224, 16, 3.95, 11, 52},
    {"GTX 970", 3.9, 224, 13, 3.95, 11, 52},
    {"GTX 960", 2.3, 112, 8, 1.95, 11, 52},
    {"GTX 950", 1.6, 106, 6, 1.95, 11, 52},
    {"GTX 750 Ti", 1.3, 86, 5, 1.95, 11, 50},
    {"V100", 125, 900, 80, 15.8, 11, 70},
    {"P100", 18.7, 732, 56, 15.9, 11, 60},
    {"P40", 11.8, 346, 30, 22.4, 11, 61},
    {"P4", 5.5, 192, 20, 7.43, 11, 61},
    {"M60", 4.8, 160, 16, 7.94, 11, 52},
    {"M40", 7, 288, 24, 11.2, 11, 52},
    {"K80", 4.1, 240, 13, 11.2, 11, 37},
    {"K40", 4.3, 288, 15, 11.2, 11, 35},
    {"T4", 65, 320, 40, 14.6, 11, 75},
};

// In small letters, with a space for whatever else stands between letters and digits.
std::string words_of(const std::string& text) {
  std::string out;
  for (const char c : text)
    out += std::isalnum(static_cast<unsigned char>(c))
               ? static_cast<char>(std::tolower(static_cast<unsigned char>(c)))
               : ' ';
  return out;
}

// Without the makers' words in front.
std::string model_of(const std::string& text) {
  std::string model = words_of(text);
  for (bool found = true; found;) {
    model.erase(0, std::min(model.find_first_not_of(' '), model.size()));
    found = false;
    for (const std::string word : {"nvidia", "geforce", "tesla", "quadro", "grid", "rtx", "gtx"})
      if (model.starts_with(word)) {
        model.erase(0, word.size());
        found = true;
      }
  }
  return model;
}

// How many letters and digits of `model` the whole of `name` is, wherever either has its spaces;
// else 0. "4060" is no RTX 40, and "p4000" no P4.
std::size_t begins_with(const std::string& model, const std::string& name) {
  std::size_t at = 0, count = 0;
  for (const char c : name) {
    if (c == ' ') continue;
    while (at < model.size() && model[at] == ' ') ++at;
    if (at == model.size() || model[at] != c) return 0;
    ++at;
    ++count;
  }
  const bool longer = at < model.size() && std::isdigit(static_cast<unsigned char>(model[at]));
  return longer ? 0 : count;
}

// A number of bytes that ends the text: "8GB", "40 gib", "4g"; `start` is where it begins. A card
// that is sold as 8 GB has 8 times 2^30 bytes.
std::optional<double> size_at_end(const std::string& text, std::size_t& start) {
  std::string lower;
  for (const char c : text) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const std::string unit : {"gib", "gb", "g", "mib", "mb"}) {
    if (!lower.ends_with(unit)) continue;
    std::size_t end = lower.size() - unit.size();
    while (end > 0 && lower[end - 1] == ' ') --end;
    start = end;
    while (start > 0 &&
           (std::isdigit(static_cast<unsigned char>(lower[start - 1])) || lower[start - 1] == '.'))
      --start;
    if (start == end) return std::nullopt;
    const double number = std::strtod(lower.substr(start, end - start).c_str(), nullptr);
    return unit[0] == 'm' ? number / 1024 : number;
  }
  return std::nullopt;
}

}  // namespace

const std::vector<GpuFacts>& gpu_table() {
  static const std::vector<GpuFacts> kTable(std::begin(kCards), std::end(kCards));
  return kTable;
}

const GpuFacts* find_gpu(const std::string& name) {
  const std::string wanted = model_of(name);
  const GpuFacts* found = nullptr;
  std::size_t longest = 0;
  for (const GpuFacts& gpu : gpu_table()) {
    const std::size_t length = begins_with(wanted, model_of(gpu.name));
    if (length <= longest) continue;
    longest = length;
    found = &gpu;
  }
  return found;
}

std::optional<GpuFacts> asked_gpu(const std::string& text) {
  constexpr double kUsable = 0.975;  // of what is sold, CUDA reports this
  std::size_t start = text.size();
  const auto gib = size_at_end(text, start);
  const bool sized = gib && *gib >= 0.25 && *gib <= 4096;
  if (sized && start == 0) {
    GpuFacts card = *find_gpu("RTX 3060");
    card.name = "a card of that size";
    card.gib = *gib;
    return card;
  }
  const GpuFacts* found = find_gpu(text);
  if (!found) return std::nullopt;
  GpuFacts card = *found;
  // Behind a name's own digits a G would be part of it: "A10G".
  if (sized && find_gpu(text.substr(0, start)) == found) card.gib = *gib * kUsable;
  return card;
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
