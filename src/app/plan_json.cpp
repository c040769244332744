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

nlohmann::ordered_json to_json(const Problem& problem, const Plan& plan) {
  return {{"micro_batch_size", plan.choice.micro_batch},
          {"pieces", plan.choice.pieces(problem)},
          {"recompute", recompute_name(plan.choice.recompute)},
          {"head_chunk", plan.choice.head_chunk},
          {"optimizer_offload", offload_name(plan.choice.offload)},
          {"eval_batch_size", plan.choice.eval_batch},
          {"needs_bytes", plan.needs()},
          {"host_bytes", plan.host},
          {"seconds", plan.seconds},
          {"train", to_json(plan.train)},
          {"eval", to_json(plan.eval)}};
}

}  // namespace

nlohmann::ordered_json to_json(const Planned& planned) {
  const PlanChoice& chosen = planned.chosen;
  nlohmann::ordered_json json{{"device", planned.rates.name},
                              {"limit_bytes", planned.limit},
                              {"limit_is", planned.limit_source},
                              {"parameters", planned.problem.parameters()},
                              {"fits", chosen.best.has_value()}};
  const auto add = [&](const char* key, const std::optional<Plan>& plan) {
    json[key] = plan ? to_json(planned.problem, *plan) : nlohmann::ordered_json();
  };
  add("plan", chosen.best);
  add("runner_up", chosen.runner_up);
  add("with_more", chosen.with_more);
  add("with_less", chosen.with_less);
  add("smallest", chosen.smallest);
  add("fastest", chosen.fastest);
  if (!chosen.best) {
    json["shortfall_bytes"] = chosen.smallest.needs() - planned.limit;
    json["nearest"] =
        nearest_that_fits(planned.problem, planned.fixed, planned.rates, planned.limit);
  }
  return json;
}

}  // namespace gpt
