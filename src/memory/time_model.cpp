#include "gpt/memory/time_model.h"

#include <algorithm>
#include <cmath>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/device/gpu_table.h"

namespace gpt {

namespace {

constexpr double kTile = 128;          // rows and columns of a product that one unit computes
constexpr double kProductShare = 0.8;  // of the peak that large matmuls reach

// Share of the units that a product of rows x columns keeps busy: the last wave of tiles is half
// empty on average.
double busy(double rows, double columns, const DeviceRates& rates) {
  const double tiles = std::ceil(rows / kTile) * std::ceil(columns / kTile);
  return tiles / (tiles + 0.5 * rates.units);
}

double product_seconds(double rows, double inner, double columns, const DeviceRates& rates) {
  return 2 * rows * inner * columns / (rates.flops * kProductShare * busy(rows, columns, rates));
}

struct Costs {
  double C, T, V, L, s, tokens, parameters;
  const DeviceRates& rates;

  double traffic(double bytes) const { return bytes / rates.bytes; }

  double block_forward() const {
    const double products = product_seconds(tokens, C, 3 * C, rates) +
                            product_seconds(tokens, C, C, rates) +
                            2 * product_seconds(tokens, C, 4 * C, rates);
    // Causal attention is two matmuls of half of T x T.
    const double attention = 2 * T * C * tokens / (0.4 * rates.flops);
    return products + attention + traffic((18 * s + 16) * C * tokens);
  }

  // What a level computes again in backward, for one block.
  double again(Recompute level) const {
    double seconds = 0;
    if (level == Recompute::kBlock) return block_forward();
    if (level >= Recompute::kGelu) seconds += traffic(8 * s * C * tokens);
    if (level >= Recompute::kNorm) seconds += traffic((8 + 2 * s) * C * tokens);
    if (level >= Recompute::kMlp) seconds += product_seconds(tokens, C, 4 * C, rates);
    return seconds;
  }

  // Three matmuls over chunks; each chunk reads and writes the weight's float32 gradient.
  double head(double chunk) const {
    const double rows = std::min(chunk, tokens), chunks = tokens / rows;
    return chunks *
           (3 * product_seconds(rows, C, V, rates) + traffic(8 * V * C + 4 * s * V * rows));
  }
};

// Bytes between the host and the device in one update: what it streams there and back at once, and
// the weights once more, for the copies.
double transfers(const Workload& workload, const Plan& plan) {
  const auto parameters = static_cast<double>(workload.adamw_parameters());
  const auto matrices = static_cast<double>(workload.parameters()) - parameters;  // Muon's
  if (plan.offload == Offload::kOff) return 0;
  if (plan.offload == Offload::kMoments) return 16 * parameters + 8 * matrices;
  if (workload.muon) return 16 * parameters + (16 + 4) * matrices;
  return (24 + 4) * parameters;
}

}  // namespace

DeviceRates cpu_rates(int cores) {
  constexpr double kFlopsPerCore = 100e9, kBytes = 30e9;
  return {.name = "CPU",
          .flops = kFlopsPerCore * cores,
          .bytes = kBytes,
          .host_bytes = kBytes,
          .launch_seconds = 0,
          .units = 1};
}

DeviceRates gpu_rates(const GpuFacts& gpu) {
  constexpr double kLaunch = 4e-6;
  return {.name = gpu.name,
          .flops = gpu.tflops * 1e12,
          .bytes = gpu.gb_per_s * 1e9 * 0.9,
          .host_bytes = gpu.pcie_gb_per_s * 1e9,
          .launch_seconds = kLaunch,
          .units = gpu.multiprocessors};
}

DeviceRates gpu_rates(const std::string& name) {
  return gpu_rates(planned_gpu(name));
}

GpuFacts planned_gpu(const std::string& name) {
  if (const auto gpu = asked_gpu(name)) return *gpu;
  std::vector<std::string> known;
  for (const GpuFacts& gpu : gpu_table()) known.emplace_back(gpu.name);
  const std::string nearest = nearest_word(name, known);
  throw InputError(
      concat("--gpu: '", name, "' is no NVIDIA card that is known here",
             nearest.empty() ? "" : " (did you mean " + nearest + "?)",
             "; give a name such as rtx3060, \"gtx 1080 ti\", \"titan rtx\" or a100, or "
             "its memory, such as --gpu=8GiB"));
}

double muon_seconds(const Workload& workload, const DeviceRates& rates) {
  // Where a GPU has no products of bfloat16, the iteration runs outside of its fast units.
  constexpr double kSlower = 8;
  const bool slow = workload.cuda && workload.type_bytes != 4 && workload.muon_type_bytes == 4;
  return workload.muon_share().flops * (slow ? kSlower : 1) / (rates.flops * kProductShare);
}

double step_seconds(const Workload& workload, const Plan& plan, const DeviceRates& rates) {
  const auto real = [](std::int64_t value) { return static_cast<double>(value); };
  const Costs costs{.C = real(workload.width),
                    .T = real(workload.block),
                    .V = real(workload.vocab),
                    .L = real(workload.layers),
                    .s = real(workload.type_bytes),
                    .tokens = real(plan.micro_batch * workload.block),
                    .parameters = real(workload.parameters()),
                    .rates = rates};
  const double blocks = costs.L * (3 * costs.block_forward() + costs.again(plan.recompute));
  constexpr double kLaunchesPerBlock = 60;
  const double launches = kLaunchesPerBlock * costs.L * rates.launch_seconds;
  const double piece = std::max(blocks + costs.head(real(plan.head_chunk)), launches);
  // Once a piece, gradients are read and written, and half types cast the weights again.
  const double weights = costs.traffic((8 + (workload.type_bytes == 4 ? 0 : 6)) * costs.parameters);
  return piece * real(workload.effective()) / real(plan.micro_batch) +
         weights * real(workload.pieces(plan)) +
         std::max(costs.traffic(30 * costs.parameters),
                  transfers(workload, plan) / rates.host_bytes) +
         muon_seconds(workload, rates);
}

}  // namespace gpt
