// GELU (Hendrycks and Gimpel 2016) and its derivative, for host and device. tanh: the approximation
// of its section 2, with OpenAI's constants.
#pragma once

#include <math.h>

#include "gpt/kernels/ops/philox.h"

namespace gpt {

template <class Real>
GPT_HOST_DEVICE inline Real gelu_value(Real x, bool with_tanh) {
  if (!with_tanh) return Real(0.5) * x * (Real(1) + erf(x * Real(0.70710678118654752440)));
  const Real inner = Real(0.79788456080286535588) * (x + Real(0.044715) * x * x * x);
  return Real(0.5) * x * (Real(1) + tanh(inner));
}

template <class Real>
GPT_HOST_DEVICE inline Real gelu_slope(Real x, bool with_tanh) {
  if (!with_tanh) {
    const Real below = Real(0.5) * (Real(1) + erf(x * Real(0.70710678118654752440)));
    return below + x * exp(Real(-0.5) * x * x) * Real(0.39894228040143267794);
  }
  const Real t = tanh(Real(0.79788456080286535588) * (x + Real(0.044715) * x * x * x));
  const Real slope = Real(0.79788456080286535588) * (Real(1) + Real(3 * 0.044715) * x * x);
  return Real(0.5) * (Real(1) + t) + Real(0.5) * x * (Real(1) - t * t) * slope;
}

}  // namespace gpt
