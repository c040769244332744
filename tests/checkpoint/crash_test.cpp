// Whatever happens during a save, and at whichever call: the last good checkpoint is still there.
#include <cerrno>
#include <csignal>
#include <functional>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "gpt/base/error.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/checkpoint/background_save.h"
#include "gpt/checkpoint/store.h"

#include "sample_run.h"
#include "support/file_fault.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::FileFaultGuard;
using testing::name_list;
using testing::newest_tag;
using testing::sample_manifest;
using testing::SampleTensors;
using testing::save;
using testing::TempDir;

constexpr std::int64_t kOld = 10, kNew = 20, kLater = 30;

// What is in the folder before the save under test, and what that save writes.
struct Scenario {
  const char* name;
  std::vector<std::int64_t> before;  // the last one has the tag kOld
  std::int64_t step;
  const char* after;    // names once the save is done
  bool swap = true;     // whether the file system can swap two folders
  bool thread = false;  // a thread writes it

  // The error that the file system itself gives for this call.
  int own_error(std::string_view call) const { return call == "exchange" && !swap ? EINVAL : 0; }

  void prepare(const fs::path& out) const {
    CheckpointStore store(out, 2);
    for (const std::int64_t s : before) save(store, s, s == before.back() ? kOld : s);
  }

  // The save under test.
  void save_new(CheckpointStore& store) const {
    if (!thread) return save(store, step, kNew);
    const SampleTensors tensors(kNew);
    BackgroundSave background(store);
    background.start(sample_manifest(step, kNew), tensors.parts());
    background.wait();
  }
};

const Scenario kScenarios[] = {
    {"first of its step", {100}, 200, "step_00000100 step_00000200"},
    {"same step again", {100, 200}, 200, "step_00000100 step_00000200"},
    {"with pruning", {100, 200}, 300, "step_00000200 step_00000300"},
    {"same step, alone", {100}, 100, "step_00000100"},
    {"same step again, without a swap", {100, 200}, 200, "step_00000100 step_00000200", false},
    {"same step, alone, without a swap", {100}, 100, "step_00000100", false},
    {"by a thread, first of its step", {100}, 200, "step_00000100 step_00000200", true, true},
    {"by a thread, same step", {100, 200}, 200, "step_00000100 step_00000200", true, true},
    {"by a thread, pruning", {100, 200}, 300, "step_00000200 step_00000300", true, true},
};

struct Call {
  std::string name;
  fs::path path;
};

std::vector<Call> calls_of(const Scenario& scenario, const fs::path& out) {
  scenario.prepare(out);
  std::vector<Call> calls;
  const FileFaultGuard guard([&](std::string_view call, const fs::path& path, std::size_t*) {
    calls.push_back({std::string(call), path});
    return scenario.own_error(call);
  });
  CheckpointStore store(out, 2);
  scenario.save_new(store);
  return calls;
}

// As after a restart: leftovers go, nothing good with them, and the next save works.
void expect_recovery(const fs::path& out, std::int64_t tag, const std::string& where) {
  CheckpointStore store(out, 2);
  store.clean_leftovers();
  EXPECT_EQ(newest_tag(out), tag) << where;
  for (const auto& entry : fs::directory_iterator(out)) {
    const std::string name = entry.path().filename().string();
    EXPECT_EQ(name.size(), std::string("step_00000100").size()) << where << ": left " << name;
    EXPECT_EQ(CheckpointStore::verify(entry.path()), "") << where << ": " << name;
  }
  save(store, 400, kLater);
  EXPECT_EQ(newest_tag(out), kLater) << where;
}

TEST(Crash, TheScenariosDoWhatTheySay) {
  for (const Scenario& scenario : kScenarios) {
    const TempDir dir;
    const auto calls = calls_of(scenario, dir / "out");
    EXPECT_GT(calls.size(), 15u);
    EXPECT_EQ(name_list(dir / "out"), scenario.after) << scenario.name;
    EXPECT_EQ(newest_tag(dir / "out"), kNew) << scenario.name;
  }
}

// What a power cut would need: contents and names are on disk before the rename that shows them,
// and that rename is before anything older goes.
TEST(Crash, EveryStepIsOnDiskBeforeTheNext) {
  const TempDir dir;
  std::string order;
  for (const Call& call : calls_of(kScenarios[2], dir / "out"))
    if (!order.ends_with(call.name + " ")) order += call.name + " ";
  EXPECT_EQ(order,
            "statvfs mkdir open write fsync close open write fsync close open write fsync close "
            "open fsync_dir rename open fsync_dir rename unlink rmdir ");
}

// Returns whether the save reported failure.
bool save_with_fault(const fs::path& out, const Scenario& scenario, std::size_t at, int error) {
  std::size_t count = 0;
  const FileFaultGuard guard([&](std::string_view call, const fs::path&, std::size_t*) {
    return count++ == at ? error : scenario.own_error(call);
  });
  CheckpointStore store(out, 2);
  try {
    scenario.save_new(store);
    return false;
  } catch (const IoError& io) {
    EXPECT_EQ(io.error(), error);
    return true;
  }
}

TEST(Crash, AnErrorAtAnyCallLeavesTheOlderOnes) {
  for (const Scenario& scenario : kScenarios) {
    const TempDir count_dir;
    const auto calls = calls_of(scenario, count_dir / "out");
    for (const int error : {ENOSPC, EIO})
      for (std::size_t at = 0; at < calls.size(); ++at) {
        const TempDir dir;
        const fs::path out = dir / "out";
        scenario.prepare(out);
        const bool failed = save_with_fault(out, scenario, at, error);
        const std::string where = format("%s: %s at call %zu (%s)", scenario.name, strerror(error),
                                         at, calls[at].name.c_str());
        // By the time out_dir itself is synced, the new checkpoint has its name.
        const bool in_place = calls[at].path == count_dir / "out" && calls[at].name != "statvfs";
        EXPECT_EQ(newest_tag(out), failed && !in_place ? kOld : kNew) << where;
        if (failed && !in_place) {
          EXPECT_EQ(CheckpointStore(out, 2).list(true).size(), scenario.before.size()) << where;
          EXPECT_EQ(name_list(out).find(".tmp-"), std::string::npos) << where;
          EXPECT_EQ(name_list(out).find(".old-"), std::string::npos) << where;
        }
        expect_recovery(out, failed && !in_place ? kOld : kNew, where);
      }
  }
}

TEST(Crash, ShortWritesAreContinued) {
  const TempDir dir;
  const FileFaultGuard guard([](std::string_view, const fs::path&, std::size_t* length) {
    if (length) *length = std::min<std::size_t>(*length, 7);
    return 0;
  });
  CheckpointStore store(dir.path(), 2);
  save(store, 100, kNew);
  EXPECT_EQ(newest_tag(dir.path()), kNew);
}

// Runs `work` in a child; its wait status.
int in_child(const std::function<void()>& work) {
  const pid_t child = fork();
  if (child == 0) {
    try {
      work();
    } catch (const std::exception& error) {
      log_error(error.what());
      _exit(9);
    }
    _exit(0);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return status;
}

// Dies before call `at`; with `half`, that call is a write which first writes half of its bytes.
void save_and_die(const fs::path& out, const Scenario& scenario, std::size_t at, bool half) {
  std::size_t count = 0;
  set_file_fault([&](std::string_view call, const fs::path&, std::size_t* length) {
    const std::size_t now = count++;
    if (half && now == at) *length /= 2;
    if (now == at + (half ? 1 : 0)) raise(SIGKILL);
    return scenario.own_error(call);
  });
  CheckpointStore store(out, 2);
  scenario.save_new(store);
}

TEST(Crash, AKillAtAnyCallLosesNothing) {
  for (const Scenario& scenario : kScenarios) {
    const TempDir count_dir;
    const auto calls = calls_of(scenario, count_dir / "out");
    bool new_seen = false;
    for (std::size_t at = 0; at < calls.size(); ++at)
      for (const bool half : {false, true}) {
        if (half && calls[at].name != "write") continue;
        const TempDir dir;
        const fs::path out = dir / "out";
        scenario.prepare(out);
        const int status = in_child([&] { save_and_die(out, scenario, at, half); });
        const std::string where = format("%s: killed at call %zu (%s%s)", scenario.name, at,
                                         half ? "half a " : "", calls[at].name.c_str());
        ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << where;
        const std::int64_t tag = newest_tag(out);
        EXPECT_TRUE(tag == kNew || (tag == kOld && !new_seen)) << where << ": tag " << tag;
        new_seen = new_seen || tag == kNew;
        expect_recovery(out, tag, where);
      }
    EXPECT_TRUE(new_seen) << scenario.name;
  }
}

// Made by the kernel, in the middle of a file, and without root.
TEST(Crash, AFileSizeLimitIsAnError) {
  const TempDir dir;
  kScenarios[0].prepare(dir.path());
  const int status = in_child([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};
    setrlimit(RLIMIT_FSIZE, &limit);
    CheckpointStore store(dir.path(), 2);
    try {
      save(store, 200, kNew);
    } catch (const IoError& error) {
      _exit(error.error() == EFBIG ? 77 : 78);
    }
  });
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 77) << status;
  EXPECT_EQ(name_list(dir.path()), "step_00000100");
  EXPECT_EQ(newest_tag(dir.path()), kOld);
}

class SmallDisk {
 public:
  explicit SmallDisk(const fs::path& folder) : folder_(folder) {
    mounted_ = mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=2m") == 0;
  }
  ~SmallDisk() {
    if (mounted_) umount2(folder_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool mounted() const { return mounted_; }
  void fill() const {
    std::ofstream file(folder_ / "filler", std::ios::binary);
    const std::string block(4096, 'x');
    while (file.write(block.data(), 4096).flush()) continue;
  }
  void empty() const { fs::remove(folder_ / "filler"); }

 private:
  fs::path folder_;
  bool mounted_ = false;
};

TEST(Crash, AFullDiskLeavesTheOlderOnes) {
  const TempDir dir;
  const SmallDisk disk(dir.path());
  if (!disk.mounted()) GTEST_SKIP() << "may not mount a tmpfs; the error sweep covers ENOSPC";
  CheckpointStore store(dir / "out", 2);
  save(store, 100, kOld);
  const auto expect_full = [&](const char* when) {
    try {
      save(store, 200, kNew);
      ADD_FAILURE() << when << ": saved on a full disk";
    } catch (const IoError& error) {
      EXPECT_EQ(error.error(), ENOSPC) << when << ": " << error.what();
    }
    EXPECT_EQ(name_list(dir / "out"), "step_00000100") << when;
    EXPECT_EQ(newest_tag(dir / "out"), kOld) << when;
  };
  {
    const FileFaultGuard guard([&](std::string_view call, const fs::path&, std::size_t*) {
      if (call == "write") disk.fill();  // by somebody else, after the free space was looked at
      return 0;
    });
    expect_full("filled while writing");
  }
  expect_full("full from the start");
  disk.empty();
  save(store, 200, kNew);
  EXPECT_EQ(newest_tag(dir / "out"), kNew);
}

}  // namespace
}  // namespace gpt
