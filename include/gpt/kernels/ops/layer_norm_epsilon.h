// What every LayerNorm of GPT-2 adds to the variance; a header of its own as kernels compiled for
// one instruction set, readers of files and LibTorch's callers all need it.
#pragma once

namespace gpt {

inline constexpr double kLayerNormEpsilon = 1e-5;  // PyTorch's default, which nanoGPT keeps

}  // namespace gpt
