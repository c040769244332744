// What a CPU generator draws next, kept so that the same can be drawn again.
#pragma once

#include <optional>

#include <ATen/CPUGeneratorImpl.h>

namespace gpt {

// A copy of the generator's engine: its state as a tensor would take 5 KiB of the run's memory that
// no plan counts.
class GeneratorSnapshot {
 public:
  explicit GeneratorSnapshot(const at::Generator& generator)
      : engine_(of(generator).engine()),
        next_float_(of(generator).next_float_normal_sample()),
        next_double_(of(generator).next_double_normal_sample()) {}

  void restore(const at::Generator& generator) const {
    at::CPUGeneratorImpl& impl = of(generator);
    impl.set_engine(engine_);
    impl.set_next_float_normal_sample(next_float_);
    impl.set_next_double_normal_sample(next_double_);
  }

 private:
  static at::CPUGeneratorImpl& of(const at::Generator& generator) {
    return *at::check_generator<at::CPUGeneratorImpl>(generator);
  }

  at::mt19937 engine_;
  std::optional<float> next_float_;
  std::optional<double> next_double_;
};

}  // namespace gpt
