#include "app/plan_json.h"

#include <nlohmann/json.hpp>

#include "gpt/memory/plan_text.h"

namespace gpt {

namespace {

nlohmann::ordered_json to_json(const Phase& phase) {
  nlohmann::ordered_json json{{"peak_in", phase.name}};
  for (std::size_t i = 0; i < kMemoryKinds; ++i)
    json[memory_kind_name(static_cast<MemoryKind>(i))] = phase.live.bytes[i];
  json["total"] = phase.live.total();
  json["tensors"] = phase.live.tensors();
  return json;
}

nlohmann::ordered_json to_json(const Workload& workload, const Estimate& estimate) {
  nlohmann::ordered_json json{{"micro_batch_size", estimate.plan.micro_batch},
                              {"pieces", workload.pieces(estimate.plan)},
                              {"recompute", recompute_name(estimate.plan.recompute)},
                              {"head_chunk", estimate.plan.head_chunk},
                              {"optimizer_offload", offload_name(estimate.plan.offload)},
                              {"eval_batch_size", estimate.plan.eval_batch},
                              {"needs_bytes", estimate.needs()},
                              {"host_bytes", estimate.host},
                              {"seconds", estimate.seconds},
                              {"train", to_json(estimate.train)},
                              {"eval", to_json(estimate.eval)}};
  if (estimate.monitor) json["monitor"] = to_json(*estimate.monitor);
  return json;
}

}  // namespace

nlohmann::ordered_json to_json(const MachinePlan& planned) {
  const RankedPlans& ranked = planned.ranked;
  nlohmann::ordered_json json{{"device", planned.planner.rates().name},
                              {"limit_bytes", planned.limit()},
                              {"limit_is", planned.limit_source},
                              {"parameters", planned.planner.workload().parameters()},
                              {"fits", ranked.best.has_value()}};
  const auto add = [&](const char* key, const std::optional<Estimate>& estimate) {
    json[key] =
        estimate ? to_json(planned.planner.workload(), *estimate) : nlohmann::ordered_json();
  };
  if (planned.planner.workload().muon)
    json["muon_seconds"] = muon_seconds(planned.planner.workload(), planned.planner.rates());
  add("plan", ranked.best);
  add("runner_up", ranked.runner_up);
  add("with_more", ranked.with_more);
  add("with_less", ranked.with_less);
  add("smallest", ranked.smallest);
  add("fastest", ranked.fastest);
  if (!ranked.best) {
    json["shortfall_bytes"] = ranked.smallest.needs() - planned.limit();
    json["nearest"] = nearest_that_fits(planned.planner);
  }
  return json;
}

}  // namespace gpt
