// Each algorithm that may compute a product of the engine, against at::mm.
#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "gpt/base/strings.h"

#include "check_run.h"
#include "measure.h"

namespace gpt {

namespace {

double product_limit(at::ScalarType type) {
  return type == at::kHalf ? 1e-3 : 1e-2;
}

}  // namespace

void CheckRun::check_products() {
  if (!has_fused()) return;
  const at::NoGradGuard no_grad;
  const std::vector<MatmulShape> shapes = subjects_.products();
  if (!shapes.empty() && timed())
    check({.check = kCheckTiming, .item = "warming"}, 0, [&](CheckResult&) {
      warm_clocks(device(), 0.15);
      return 0;
    });
  for (const MatmulShape& shape : shapes) check_product(shape);
}

void CheckRun::check_product(const MatmulShape& shape) {
  if (!device_answers_) return;
  MatmulArgs args;
  std::vector<GemmAlgorithm> algorithms;
  at::Tensor expected, before;
  check({.check = kCheckTiming, .item = "suggestions of " + shape.text()}, 0, [&](CheckResult&) {
    args = random_product(shape, device());
    expected = expected_product(args);
    if (args.accumulate) before = args.out.clone();
    algorithms = subjects_.algorithms(args);
    return 0;
  });
  std::vector<CheckResult> right;
  std::vector<std::function<void()>> works;
  for (std::size_t i = 0; i < algorithms.size(); ++i) {
    const CheckResult result{.check = kCheckProduct,
                             .item = i == 0 ? kItemFirst : kItemTuned,
                             .shape = shape.text(),
                             .algorithm = algorithms[i]};
    check(result, product_limit(shape.type), [&](CheckResult&) {
      if (before.defined()) args.out.copy_(before);
      TORCH_CHECK(subjects_.multiply(args, algorithms[i]), "cuBLASLt does not run it here");
      return relative_error({args.out}, {expected});
    });
    const CheckResult* done = results_.empty() ? nullptr : &results_.back();
    if (!done || done->check != kCheckProduct || done->algorithm != algorithms[i] ||
        done->verdict != Verdict::kRight)
      continue;
    right.push_back(*done);
    works.push_back([&, i] { subjects_.multiply(args, algorithms[i]); });
  }
  // The clocks are warm already.
  time_right({.check = kCheckTiming, .item = "products", .shape = shape.text()}, 0,
             std::move(right), works);
}

}  // namespace gpt
