#include "gpt/parallel/launcher.h"

#include <map>

#include <gtest/gtest.h>

#include "gpt/base/error.h"

#include "support/error_text.h"

namespace gpt {
namespace {

using testing::error_text;
using Variables = std::map<std::string, std::string>;

LaunchInfo info_of(const Variables& variables) {
  return launch_info([&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end() || found->second.empty()) return std::nullopt;
    return found->second;
  });
}

std::string refusal(const Variables& variables) {
  return error_text<InputError>([&] { info_of(variables); });
}

const Variables kTorchrun{{"RANK", "3"},
                          {"WORLD_SIZE", "4"},
                          {"LOCAL_RANK", "1"},
                          {"MASTER_ADDR", "node1"},
                          {"MASTER_PORT", "29511"},
                          {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                          {"TORCHELASTIC_RESTART_COUNT", "2"}};

Variables changed(Variables variables, const Variables& changes) {
  for (const auto& [name, value] : changes) variables[name] = value;
  return variables;
}

TEST(Launcher, NothingSetIsOneProcess) {
  const LaunchInfo info = info_of({});
  EXPECT_EQ(info.size, 1);
  EXPECT_EQ(info.rank, 0);
  EXPECT_EQ(info.note, "");
}

TEST(Launcher, Torchrun) {
  const LaunchInfo info = info_of(kTorchrun);
  EXPECT_EQ(info.launcher, "torchrun");
  EXPECT_EQ(info.rank, 3);
  EXPECT_EQ(info.size, 4);
  EXPECT_EQ(info.local_rank, 1);
  EXPECT_EQ(info.address, "node1");
  EXPECT_EQ(info.port, 29511);
  EXPECT_TRUE(info.store_is_served);
  EXPECT_EQ(info.attempt, "2");
}

TEST(Launcher, AWorldOfOneNeedsNothingElse) {
  EXPECT_EQ(info_of({{"WORLD_SIZE", "1"}}).size, 1);
  EXPECT_EQ(info_of({{"WORLD_SIZE", "1"}, {"RANK", "0"}}).launcher, "");
}

TEST(Launcher, NonsenseIsQuoted) {
  EXPECT_NE(refusal(changed(kTorchrun, {{"WORLD_SIZE", "two"}})).find("WORLD_SIZE=two"),
            std::string::npos);
  EXPECT_NE(refusal(changed(kTorchrun, {{"WORLD_SIZE", "0"}})).find("WORLD_SIZE=0"),
            std::string::npos);
  EXPECT_NE(refusal(changed(kTorchrun, {{"WORLD_SIZE", "4x"}})).find("WORLD_SIZE=4x"),
            std::string::npos);
  EXPECT_NE(refusal(changed(kTorchrun, {{"RANK", "4"}})).find("RANK=4: must be below WORLD_SIZE=4"),
            std::string::npos);
  EXPECT_NE(refusal(changed(kTorchrun, {{"RANK", "-1"}})).find("RANK=-1"), std::string::npos);
  EXPECT_NE(refusal(changed(kTorchrun, {{"MASTER_PORT", "99999"}})).find("MASTER_PORT=99999"),
            std::string::npos);
  EXPECT_NE(refusal(changed(kTorchrun, {{"RANK", ""}})).find("RANK is not set"), std::string::npos);
  EXPECT_NE(refusal(changed(kTorchrun, {{"MASTER_ADDR", ""}})).find("MASTER_ADDR"),
            std::string::npos);
}

TEST(Launcher, OpenMpiOnOneMachineMeetsByItsJob) {
  const Variables variables{{"OMPI_COMM_WORLD_SIZE", "2"},
                            {"OMPI_COMM_WORLD_RANK", "1"},
                            {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                            {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                            {"PMIX_NAMESPACE", "1234"}};
  const LaunchInfo info = info_of(variables);
  EXPECT_EQ(info.launcher, "Open MPI");
  EXPECT_EQ(info.rank, 1);
  EXPECT_EQ(info.address, "");
  EXPECT_EQ(info.job, "1234");
  const std::string several = refusal(changed(variables, {{"OMPI_COMM_WORLD_SIZE", "4"}}));
  EXPECT_NE(several.find("MASTER_ADDR"), std::string::npos);
  const LaunchInfo addressed =
      info_of(changed(variables, {{"OMPI_COMM_WORLD_SIZE", "4"}, {"MASTER_ADDR", "node1"}}));
  EXPECT_EQ(addressed.address, "node1");
}

TEST(Launcher, Mpich) {
  const LaunchInfo info = info_of(
      {{"PMI_SIZE", "3"}, {"PMI_RANK", "2"}, {"MPI_LOCALNRANKS", "3"}, {"MPI_LOCALRANKID", "2"}});
  EXPECT_EQ(info.launcher, "MPICH");
  EXPECT_EQ(info.size, 3);
  EXPECT_FALSE(info.job.empty());
}

const Variables kSlurm{{"SLURM_JOB_ID", "123456"},
                       {"SLURM_STEP_ID", "0"},
                       {"SLURM_STEP_NUM_TASKS", "8"},
                       {"SLURM_NTASKS", "8"},
                       {"SLURM_PROCID", "5"},
                       {"SLURM_LOCALID", "1"},
                       {"SLURM_STEP_NODELIST", "gpu[05-06,09],login"}};

TEST(Launcher, SrunMeetsOnItsFirstNode) {
  const LaunchInfo info = info_of(kSlurm);
  EXPECT_EQ(info.launcher, "srun");
  EXPECT_EQ(info.rank, 5);
  EXPECT_EQ(info.size, 8);
  EXPECT_EQ(info.address, "gpu05");
  EXPECT_EQ(info.port, 15000 + 3456);
  // With its plug-in for MPICH it sets these as well.
  EXPECT_EQ(info_of(changed(kSlurm, {{"PMI_SIZE", "8"}, {"PMI_RANK", "5"}})).launcher, "srun");
}

TEST(Launcher, AnAllocationWithoutSrunIsOneProcess) {
  const LaunchInfo shell = info_of({{"SLURM_NTASKS", "8"}, {"SLURM_PROCID", "0"}});
  EXPECT_EQ(shell.size, 1);
  EXPECT_NE(shell.note.find("srun gpttrain"), std::string::npos);
  EXPECT_EQ(info_of(changed(kSlurm, {{"SLURM_JOB_NAME", "bash"}})).size, 1);
}

TEST(Launcher, TorchrunWithinSlurmIsTorchruns) {
  EXPECT_EQ(info_of(changed(kSlurm, kTorchrun)).launcher, "torchrun");
}

TEST(Launcher, FirstHostOfAList) {
  EXPECT_EQ(first_host("node7"), "node7");
  EXPECT_EQ(first_host("a,b"), "a");
  EXPECT_EQ(first_host("gpu[05-07,12]"), "gpu05");
  EXPECT_EQ(first_host("r[1-2]n[03,04],x"), "r1n03");
  EXPECT_EQ(first_host("n[7]-ib"), "n7-ib");
  for (const char* bad : {"", "gpu[", "gpu[]", "gpu]", ",a"})
    EXPECT_NE(error_text<InputError>([&] { first_host(bad); }).find("MASTER_ADDR"),
              std::string::npos)
        << bad;
}

}  // namespace
}  // namespace gpt
