// A stand-in for GPUs: CUDA's runtime, the driver's memory calls, cuBLAS and cuBLASLt in one
// library under the driver's name. A test program that links to it first, or `gpttrain` with it
// preloaded, finds these functions before CUDA's, and everything above them is real: LibTorch's
// allocator, streams, events, graphs and threads. No kernel computes; what a host may not do with a
// GPU's memory ends the process, and what CUDA would refuse or serialise is complained of and
// counted.
//
// As a program of its own is told by the environment, before its first call:
//   FAKE_CUDA_CARDS       capabilities of the cards: "86,86"
//   FAKE_CUDA_MIB         memory of each
//   FAKE_CUDA_REFUSE_MIB  no more is given of a card, although it says that more is free
//   FAKE_CUDA_PIN_MIB     no larger piece of the host's memory can be pinned afterwards
//   FAKE_CUDA_FAIL        what goes wrong: "expandable" (segments are refused), "recording" (of
//                         graphs), "tuned" (an algorithm that is not suggested first ends the
//                         process), "everything" (each kernel leaves an error that stays)
//   FAKE_CUDA_REPORT      file for what was counted, a line each: number and name
//                         (FILE.RANK in one of several processes)
//   FAKE_CUDA_NCCL        file for NCCL's collectives, FILE.RANK: name, elements, type, root, and
//                         how many kernels had been launched
//   FAKE_CUDA_TRACE       a stack for each thing whose name contains this
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <vector>

namespace gpt::fake {

inline constexpr std::size_t kCardBytes = std::size_t{4} << 30;
inline constexpr std::size_t kContextBytes = std::size_t{250} << 20;
inline constexpr int kHopper = 0, kAmpere = 1;  // the cards, unless told otherwise

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
  std::vector<int> capabilities{90, 86};
  std::size_t card_bytes = kCardBytes;
  std::size_t refused_beyond = std::numeric_limits<std::size_t>::max();
  std::size_t pinned_at_most = std::numeric_limits<std::size_t>::max();  // by cudaHostRegister
  bool capturing = false;                    // every stream, besides those that really are
  std::set<int> contexts;                    // cards that have one
  std::size_t others_bytes = 0;              // that other processes hold of each card
  std::vector<float> milliseconds{5, 3, 7};  // of the suggestions; below 0: does not run
  std::vector<Call> calls;
  int questions = 0;  // for suggestions
  std::size_t preferred_workspace = 0;
  std::string fails;             // see FAKE_CUDA_FAIL
  std::uint32_t reductions = 0;  // that the last suggestions could use
};
State& state();

}  // namespace gpt::fake
