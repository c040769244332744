// Stand-ins for CUDA's driver, its runtime and cuBLASLt, so that the back ends that call them run
// without a GPU. Two cards whose memory is the host's; no kernel does anything. The test program
// defines the runtime's functions itself, which the libraries then find before those of CUDA. As in
// gpu_test, ctest gives each test a process of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

namespace gpt::fake {

inline constexpr std::size_t kCardBytes = std::size_t{4} << 30;
inline constexpr int kHopper = 0, kAmpere = 1;  // the cards: compute capability 9.0 and 8.6

// A call of cublasLtMatmul.
struct Call {
  std::uint64_t algorithm;        // its place among the suggestions
  const void* out;                // result, and what is added to it
  std::uint64_t columns, stride;  // cuBLASLt's columns of the result: our rows
  std::uint64_t a_rows, a_stride;
  const void* workspace;
  std::size_t workspace_bytes;
};

struct State {
  bool capturing = false;
  std::set<int> entered;                     // cards that were made the current one
  std::size_t others_bytes = 0;              // that other processes hold of each card
  std::vector<float> milliseconds{5, 3, 7};  // of the suggestions; below 0: does not run
  std::vector<Call> calls;
  int questions = 0;  // for suggestions
  std::size_t preferred_workspace = 0;
  std::uint32_t reductions = 0;  // that the last suggestions could use
};
State& state();

}  // namespace gpt::fake
