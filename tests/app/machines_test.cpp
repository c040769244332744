// Two machines, as far as the network can tell: network namespaces with a cable between them.
#include <unistd.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/config/printing.h"

#include "support/shell.h"
#include "support/tiny_config.h"

namespace gpt {
namespace {

using testing::Finished;
using testing::shell;
using testing::TempDir;

// Makes the machines $A and $B, which reach each other as 10.77.0.1 and 10.77.0.2, and removes them
// at its end; `rank N MACHINE` starts a process of two.
constexpr const char* kMachines = R"(
A=gpt$$a B=gpt$$b
trap 'kill $(jobs -p) 2>/dev/null; ip netns del $A; ip netns del $B' EXIT
ip netns add $A && ip netns add $B || exit 77
ip link add v$$a netns $A type veth peer name v$$b netns $B || exit 77
ip -n $A addr add 10.77.0.1/24 dev v$$a && ip -n $B addr add 10.77.0.2/24 dev v$$b || exit 77
for n in $A $B; do ip -n $n link set lo up; done
ip -n $A link set v$$a up && ip -n $B link set v$$b up || exit 77
rank() {
  local number=$1 machine=$2
  shift 2
  RANK=$number LOCAL_RANK=0 WORLD_SIZE=2 MASTER_ADDR=10.77.0.1 MASTER_PORT=29500 \
    ip netns exec $machine "$GPT" config.json "$@"
}
)";

class Machines : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0 || std::system("command -v ip >/dev/null") != 0)
      GTEST_SKIP() << "network namespaces need root and iproute2 (scripts/setup --with-tests)";
    TrainConfig config = testing::tiny_config(dir_);
    config.system.device = "cpu";
    config.system.dtype = "float32";
    config.system.dist_timeout = 20;
    config.data.batch_size = 3;
    config.optimizer.max_iters = 20;
    dir_.write("config.json", to_json(options_of(config)));
  }

  Finished run(const std::string& script) {
    const Finished end = shell(dir_, kMachines + script);
    return end;
  }

  double last_loss(const char* out) const {
    double loss = -1;
    std::istringstream file(read_file(dir_ / out / "metrics.jsonl"));
    for (std::string line; std::getline(file, line);)
      if (const auto event = nlohmann::json::parse(line); event.at("event") == "train")
        loss = event.at("loss");
    return loss;
  }

  TempDir dir_;
};

constexpr int kNoRight = 77;

TEST_F(Machines, TwoTrainAsOne) {
  const Finished end = run(R"(
"$GPT" config.json --out_dir=one >/dev/null || exit 1
rank 0 $A >a.log 2>&1 & first=$!
rank 1 $B --out_dir=other >b.log 2>&1; second=$?
wait $first; echo codes $? $second; cat a.log b.log
)");
  if (end.code == kNoRight) GTEST_SKIP() << "no right to make network namespaces";
  EXPECT_NE(end.out.find("codes 0 0"), std::string::npos) << end.out << end.err;
  EXPECT_NEAR(last_loss("out"), last_loss("one"), 5e-5);
  EXPECT_NE(end.out.find("through gloo, since they are on several machines"), std::string::npos)
      << end.out;
}

// A cable with the delay of a long way makes the run slower, and nothing else; where the kernel has
// no delays, a thin one.
TEST_F(Machines, ASlowCableOnlyTakesTime) {
  const Finished end = run(R"(
tc -n $A qdisc add dev v$$a root netem delay 5ms ||
  tc -n $A qdisc add dev v$$a root tbf rate 2mbit burst 8kb latency 1s || exit 77
"$GPT" config.json --out_dir=one >/dev/null || exit 1
rank 0 $A --max_iters=5 >a.log 2>&1 & first=$!
rank 1 $B --max_iters=5 --out_dir=other >b.log 2>&1; second=$?
wait $first; echo codes $? $second; cat a.log b.log
)");
  if (end.code == kNoRight) GTEST_SKIP() << "no right to slow a network interface down";
  EXPECT_NE(end.out.find("codes 0 0"), std::string::npos) << end.out << end.err;
}

TEST_F(Machines, ACutCableEndsBothWithinTheTimeout) {
  const Finished end = run(R"(
rank 0 $A --max_iters=100000000 --eval_interval=100000 --dist_timeout=3 >a.log 2>&1 & first=$!
rank 1 $B --max_iters=100000000 --eval_interval=100000 --dist_timeout=3 --out_dir=other >b.log 2>&1 & second=$!
until grep -q 'iter 20:' a.log; do sleep 0.05; done
ip -n $A link set v$$a down
wait $first; one=$?; wait $second; echo codes $one $?
grep -h error: a.log b.log
)");
  if (end.code == kNoRight) GTEST_SKIP() << "no right to make network namespaces";
  EXPECT_NE(end.out.find("codes 1 1"), std::string::npos) << end.out << end.err;
  EXPECT_NE(end.out.find("rank 1 ("), std::string::npos) << end.out;
  EXPECT_NE(end.out.find("rank 0 ("), std::string::npos) << end.out;
  EXPECT_NE(end.out.find("gives no sign of life"), std::string::npos) << end.out;
}

}  // namespace
}  // namespace gpt
