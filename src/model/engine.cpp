#include "gpt/model/engine.h"

#include "eager_engine.h"

namespace gpt {

std::unique_ptr<Engine> make_engine(const TrainConfig&, const Gpt& model, const Compute& compute) {
  return std::make_unique<EagerEngine>(model, compute);
}

}  // namespace gpt
