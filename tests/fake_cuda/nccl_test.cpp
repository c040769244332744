// Two processes with a card each: what they ask NCCL for, and in which order.
#include <fstream>

#include <gtest/gtest.h>

#include "watched.h"

namespace gpt {
namespace {

using fake::expect_clean;
using fake::Seen;
using fake::training;
using fake::watched;
using fake::operator+;
using fake::Words;
using testing::Environment;
using testing::TempDir;

struct Call {
  std::string what;
  long elements = 0;
  std::string type;
  int root = -1;
  long kernels = 0;  // launched before
  bool operator==(const Call& other) const {
    return what == other.what && elements == other.elements && type == other.type &&
           root == other.root;
  }
};

std::ostream& operator<<(std::ostream& out, const Call& call) {
  return out << call.what << " of " << call.elements << " " << call.type << " root " << call.root;
}

std::vector<Call> calls_of(const std::string& file) {
  std::vector<Call> calls;
  std::ifstream lines(file);
  for (Call call; lines >> call.what >> call.elements >> call.type >> call.root >> call.kernels;)
    calls.push_back(call);
  return calls;
}

// Of the model of `training`, with a vocabulary of 64.
constexpr long kVocabulary = 64, kWidth = 256, kBlock = 256, kLayers = 4;
constexpr long kParameters =
    (kVocabulary + kBlock) * kWidth + kLayers * (12 * kWidth * kWidth + 2 * kWidth) + kWidth;

class Nccl : public ::testing::Test {
 protected:
  void SetUp() override { prepare_tiny(dir_); }

  // The calls of both processes in `steps` steps.
  std::vector<std::vector<Call>> train(int steps, const Words& flags) {
    const std::string file = dir_ / "nccl";
    for (const char* rank : {".0", ".1"}) fs::remove(file + rank);
    const Environment to("FAKE_CUDA_NCCL", file);
    Words words{"launch", "--nproc=2"};
    for (const std::string& word : training(steps - 1, flags)) words.push_back(word);
    words.erase(words.begin() + 2);  // train: launch runs nothing else
    const Seen seen = watched(dir_, words, {.capabilities = "86,86"});
    EXPECT_EQ(seen.done.code, 0) << seen.text();
    EXPECT_FALSE(seen.says("complaint")) << seen.text();
    return {calls_of(file + ".0"), calls_of(file + ".1")};
  }

  const TempDir dir_;
};

const Words kAlways{"--vocab_size=64", "--eval_interval=1000", "--overwrite=True"};

long sum_of(const std::vector<Call>& calls, const std::string& what, const std::string& type,
            int root) {
  long sum = 0;
  for (const Call& call : calls)
    if (call.what == what && call.type == type && call.root == root) sum += call.elements;
  return sum;
}

// Per step: the gradients once, in float32; the two sums of losses; the norm, decided by rank 0.
TEST_F(Nccl, AStepSumsItsGradientsOnce) {
  for (const char* engine : {"--compile=True", "--compile=False"}) {
    SCOPED_TRACE(engine);
    const auto few = train(2, kAlways + Words{engine, "--out_dir=few"});
    const auto many = train(5, kAlways + Words{engine, "--out_dir=many"});
    EXPECT_EQ(many[0], many[1]) << "both processes make the same calls in the same order";
    const auto more = [&](const char* what, const char* type, int root) {
      return sum_of(many[0], what, type, root) - sum_of(few[0], what, type, root);
    };
    const long gradients = more("allreduce", "float32", -1);
    EXPECT_GE(gradients, 3 * kParameters);
    EXPECT_LE(static_cast<double>(gradients), 1.01 * 3 * kParameters) << "gaps between tensors";
    EXPECT_EQ(more("allreduce", "float64", -1), 3 * 2);
    EXPECT_EQ(more("broadcast", "float32", 0), 3);
    EXPECT_EQ(more("broadcast", "float32", 1), 0);
    for (const Call& call : many[0]) EXPECT_LE(call.elements, 8 << 20) << call;
  }
}

// The fused engine's, part by part between the kernels of the last backward pass.
TEST_F(Nccl, GradientsAreSummedWhileTheBackwardPassGoesOn) {
  const auto calls = train(3, kAlways).front();
  std::vector<std::vector<Call>> steps(1);
  for (const Call& call : calls) {
    if (call.what == "allreduce" && call.type == "float32") steps.back().push_back(call);
    if (call.type == "float64") steps.emplace_back();
  }
  std::erase_if(steps, [](const auto& parts) { return parts.empty(); });  // the evaluation's
  ASSERT_EQ(steps.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_EQ(steps[i].size(), 3u) << "two blocks at a time, and the embeddings";
    for (std::size_t part = 1; part < 3; ++part)
      EXPECT_GT(steps[i][part].kernels, steps[i][part - 1].kernels);
  }
}

// ZeRO: each process gets the sum of its part and sends the updated weights to the others.
TEST_F(Nccl, WithZeroEachPartHasOneOwner) {
  const auto few = train(2, kAlways + Words{"--zero=1", "--out_dir=few"});
  const auto many = train(5, kAlways + Words{"--zero=1", "--out_dir=many"});
  EXPECT_EQ(many[0], many[1]);
  long reduced = 0, sent = 0;
  for (const int root : {0, 1}) {
    const auto more = [&](const char* what) {
      return sum_of(many[0], what, "float32", root) - sum_of(few[0], what, "float32", root);
    };
    EXPECT_GT(more("reduce"), 3 * kParameters * 4 / 10);
    reduced += more("reduce");
    sent += more("broadcast");
  }
  EXPECT_EQ(reduced, 3 * kParameters);
  // Weights, and of each step the norm of a part's sum and the norm that is decided once.
  EXPECT_EQ(sent, 3 * kParameters + 3);
}

}  // namespace
}  // namespace gpt
