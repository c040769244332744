#include "gpt/memory/communication.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

// Rates that rings of NCCL are reported to reach, rounded down; those of networks are nine tenths
// of what the wire carries.
const std::vector<Link>& links() {
  static const std::vector<Link> all{
      {"pcie3", 9e9, 10e-6},   {"pcie4", 18e9, 10e-6},  {"pcie5", 36e9, 10e-6},
      {"nvlink", 200e9, 8e-6}, {"1gbe", 0.11e9, 50e-6}, {"10gbe", 1.1e9, 40e-6},
      {"25gbe", 2.8e9, 30e-6}, {"100gbe", 11e9, 20e-6}, {"infiniband", 22e9, 5e-6}};
  return all;
}

double gradient_bytes(const Workload& workload) {
  return 4 * static_cast<double>(workload.parameters());
}

}  // namespace

Link find_link(const std::string& text) {
  std::vector<std::string> known;
  for (const Link& link : links()) {
    if (link.name == text) return link;
    known.push_back(link.name);
  }
  double rate = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate);
  if (error == std::errc() && std::string(end) == "GB/s" && rate > 0)
    return {text, rate * 1e9, 20e-6};
  throw InputError(concat("--link: expected ", join(known, ", "),
                          " or a rate such as 12.5GB/s, got '", text, "'"));
}

double exchange_seconds(const Workload& workload, const Link& link) {
  const auto others = static_cast<double>(workload.processes - 1);
  const double share = others / static_cast<double>(workload.processes);
  return 2 * (share * gradient_bytes(workload) / link.bytes + others * link.seconds);
}

double hidden_seconds(const Workload& workload, const Estimate& estimate, const Link& link) {
  const bool early = workload.cuda && workload.engine == EngineKind::kTensor && !workload.graphs &&
                     !workload.spread_optimizer;
  if (!early || workload.processes == 1) return 0;
  const auto layers = static_cast<double>(workload.layers);
  const double of_blocks = layers * static_cast<double>(workload.block_parameters()) /
                           static_cast<double>(workload.parameters());
  const double backward =
      estimate.seconds / static_cast<double>(workload.pieces(estimate.plan)) / 2;
  return std::min(exchange_seconds(workload, link) * of_blocks, backward * (layers - 1) / layers);
}

std::string exchange_text(const Workload& workload, const Estimate& estimate, const Link& link) {
  const double exchange = exchange_seconds(workload, link);
  const double hidden = hidden_seconds(workload, estimate, link);
  const double step = estimate.seconds + exchange - hidden;
  Workload alone = workload;
  alone.processes = 1;
  const auto sequences = static_cast<double>(alone.effective());
  const double computed = estimate.seconds * sequences / static_cast<double>(workload.effective());
  return format(
      "%ld processes over %s: %.0f MiB of gradients a step%s take %.4g s beside %.4g s of "
      "computation, %.4g s of it hidden: %.4g s a step, %s tokens/s of all, %.2f of %ld times one "
      "(also by the time model)\n",
      workload.processes, link.name.c_str(), gradient_bytes(workload) / (1 << 20),
      workload.spread_optimizer ? ", and as many of weights," : "", exchange, estimate.seconds,
      hidden, step,
      with_commas(static_cast<std::int64_t>(sequences * static_cast<double>(workload.block) / step))
          .c_str(),
      computed / step / static_cast<double>(workload.processes), workload.processes);
}

}  // namespace gpt
