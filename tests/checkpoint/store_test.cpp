#include "gpt/checkpoint/store.h"

#include <cerrno>
#include <limits>
#include <random>
#include <sys/mount.h>

#include <gtest/gtest.h>

#include "gpt/base/error.h"

#include "sample_run.h"
#include "support/error_text.h"
#include "support/file_fault.h"
#include "support/gone_process.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::FileFaultGuard;
using testing::name_from_elsewhere;
using testing::name_list;
using testing::name_of_gone;
using testing::newest_tag;
using testing::save;
using testing::tag_of;
using testing::TempDir;

void write_bytes(const fs::path& path, std::string_view bytes) {
  fs::remove(path);  // overwriting in place is slow on some file systems
  std::ofstream(path, std::ios::binary) << bytes;
}

std::vector<std::string> files_of_a_checkpoint() {
  return {"manifest.json", "model.safetensors", "optimizer.safetensors"};
}

TEST(CheckpointStore, SavesAndFindsTheNewest) {
  const TempDir dir;
  CheckpointStore store(dir / "out", 2);
  save(store, 100, 1);
  save(store, 200, 2);
  EXPECT_EQ(name_list(dir / "out"), "step_00000100 step_00000200");
  EXPECT_EQ(name_list(dir / "out/step_00000200"),
            "manifest.json model.safetensors optimizer.safetensors");
  const auto newest = store.newest_good();
  ASSERT_TRUE(newest);
  EXPECT_TRUE(newest->good);
  EXPECT_EQ(newest->step, 200);
  EXPECT_EQ(newest->problem, "");
  EXPECT_EQ(tag_of(*newest), 2);
  EXPECT_EQ(newest->manifest.generator_state, std::string("state\0\xff", 7));
}

// What a file system reports as free forbids nothing: it may not report it at all.
TEST(CheckpointStore, SavesWhereFreeSpaceIsUnknown) {
  const TempDir dir;
  const FileFaultGuard guard([](std::string_view call, const fs::path&, std::size_t*) {
    return call == "statvfs" ? ENOSYS : 0;
  });
  CheckpointStore store(dir.path(), 2);
  save(store, 100, 1);
  EXPECT_EQ(newest_tag(dir.path()), 1);
}

TEST(CheckpointStore, SavesOnAFileSystemThatReportsNoSize) {
  const TempDir dir;
  if (mount("none", dir.path().c_str(), "ramfs", 0, nullptr) != 0)
    GTEST_SKIP() << "may not mount a ramfs";
  CheckpointStore store(dir / "out", 2);
  EXPECT_EQ(testing::error_text<IoError>([&] { save(store, 100, 1); }), "");
  EXPECT_EQ(newest_tag(dir / "out"), 1);
  umount2(dir.path().c_str(), MNT_DETACH);
}

// 1 MiB of it is for headers and the manifest, more than a small checkpoint needs.
TEST(CheckpointStore, SavesWhereLittleIsReportedAndEnoughIsThere) {
  const TempDir dir;
  if (mount("tmpfs", dir.path().c_str(), "tmpfs", 0, "size=512k") != 0)
    GTEST_SKIP() << "may not mount a tmpfs";
  CheckpointStore store(dir / "out", 2);
  EXPECT_EQ(testing::error_text<IoError>([&] { save(store, 100, 1); }), "");
  EXPECT_EQ(newest_tag(dir / "out"), 1);
  umount2(dir.path().c_str(), MNT_DETACH);
}

TEST(CheckpointStore, KeepsAsManyAsItIsTold) {
  for (const std::int64_t keep :
       {std::int64_t{1} << 31, std::int64_t{1} << 32, std::numeric_limits<std::int64_t>::max()}) {
    const TempDir dir;
    CheckpointStore store(dir / "out", keep);
    for (std::int64_t step = 1; step <= 4; ++step) save(store, step, step);
    EXPECT_EQ(name_list(dir / "out"), "step_00000001 step_00000002 step_00000003 step_00000004")
        << keep;
  }
}

TEST(CheckpointStore, AMissingFolderHasNone) {
  const TempDir dir;
  const CheckpointStore store(dir / "nowhere", 2);
  EXPECT_TRUE(store.list().empty());
  EXPECT_FALSE(store.newest_good());
  EXPECT_FALSE(store.best_good());
  EXPECT_FALSE(fs::exists(dir / "nowhere"));
}

TEST(CheckpointStore, ListsNewestFirstAndIgnoresOtherNames) {
  const TempDir dir;
  CheckpointStore store(dir.path(), 9);
  for (const std::int64_t step : {5, 123456789, 40}) save(store, step, step);
  for (const char* name : {"step_", "step_12", "step_0000000x", "step_00000001.tmp-7", "other",
                           ".trash-step_00000001-7", "step_99999999999999999999"})
    fs::create_directory(dir / name);
  fs::create_directory(name_of_gone(dir / "step_00000001"));
  const auto all = store.list();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].step, 123456789);
  EXPECT_EQ(all[1].step, 40);
  EXPECT_EQ(all[2].step, 5);
  for (const CheckpointInfo& info : all) EXPECT_TRUE(info.good) << info.problem;
}

TEST(CheckpointStore, KeepsTheNewestAndTheBest) {
  const TempDir dir;
  CheckpointStore store(dir.path(), 2);
  save(store, 100, 1);
  save(store, 200, 2, /*best=*/true);
  for (std::int64_t step = 300; step <= 600; step += 100) save(store, step, step);
  EXPECT_EQ(name_list(dir.path()), "step_00000200 step_00000500 step_00000600");
  ASSERT_TRUE(store.best_good());
  EXPECT_EQ(store.best_good()->step, 200);
  save(store, 700, 7, /*best=*/true);
  EXPECT_EQ(name_list(dir.path()), "step_00000600 step_00000700");
  EXPECT_EQ(store.best_good()->step, 700);
}

TEST(CheckpointStore, AtLeastTwoStay) {
  const TempDir dir;
  CheckpointStore store(dir.path(), 0);
  for (std::int64_t step = 1; step <= 4; ++step) save(store, step, step);
  EXPECT_EQ(name_list(dir.path()), "step_00000003 step_00000004");
}

TEST(CheckpointStore, WhatWasJustSavedStaysEvenIfItIsNotTheNewest) {
  const TempDir dir;
  CheckpointStore store(dir.path(), 2);
  for (const std::int64_t step : {300, 400, 100}) save(store, step, step);
  EXPECT_EQ(name_list(dir.path()), "step_00000100 step_00000300 step_00000400");
}

// A flipped byte leaves the sizes right; such a checkpoint must not push out a good one.
TEST(CheckpointStore, DamagedOnesDoNotCountAsKept) {
  const TempDir dir;
  {
    CheckpointStore store(dir.path(), 2);
    for (const std::int64_t step : {100, 200}) save(store, step, step);
  }
  const fs::path file = dir / "step_00000200/model.safetensors";
  std::string bytes = read_file(file);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  write_bytes(file, bytes);
  CheckpointStore store(dir.path(), 2);
  save(store, 300, 300);
  EXPECT_EQ(name_list(dir.path()), "step_00000100 step_00000200 step_00000300");
  save(store, 400, 400);
  EXPECT_EQ(name_list(dir.path()), "step_00000300 step_00000400");
}

TEST(CheckpointStore, TheSameStepAgainReplacesTheOld) {
  const TempDir dir;
  CheckpointStore store(dir.path(), 2);
  save(store, 100, 1);
  save(store, 200, 2);
  save(store, 200, 3);
  EXPECT_EQ(name_list(dir.path()), "step_00000100 step_00000200");
  EXPECT_EQ(newest_tag(dir.path()), 3);
}

TEST(CheckpointStore, ADamagedOneOfTheSameStepIsReplaced) {
  const TempDir dir;
  CheckpointStore store(dir.path(), 2);
  save(store, 100, 1);
  save(store, 200, 2);
  fs::remove(dir / "step_00000200/manifest.json");
  save(store, 200, 3);
  EXPECT_EQ(name_list(dir.path()), "step_00000100 step_00000200");
  EXPECT_EQ(newest_tag(dir.path()), 3);
}

// The moment between the two renames of a replacement.
TEST(CheckpointStore, AnOldNameIsStillACandidate) {
  const TempDir dir;
  CheckpointStore store(dir.path(), 2);
  save(store, 100, 1);
  save(store, 200, 2);
  fs::rename(dir / "step_00000200", name_of_gone(dir / "step_00000200", TemporaryKind::kOld));
  EXPECT_EQ(newest_tag(dir.path()), 2);
  store.clean_leftovers();
  EXPECT_EQ(name_list(dir.path()), "step_00000100 step_00000200");
  EXPECT_EQ(newest_tag(dir.path()), 2);
}

TEST(CheckpointStore, CleaningPrefersTheGoodOfTwo) {
  const TempDir dir;
  CheckpointStore store(dir.path(), 2);
  save(store, 200, 2);
  fs::rename(dir / "step_00000200", name_of_gone(dir / "step_00000200", TemporaryKind::kOld));
  save(store, 100, 1);
  fs::create_directory(dir / "step_00000200");  // damaged: it is empty
  store.clean_leftovers();
  EXPECT_EQ(name_list(dir.path()), "step_00000100 step_00000200");
  EXPECT_EQ(newest_tag(dir.path()), 2);
}

TEST(CheckpointStore, CleaningRemovesLeftoversOnly) {
  const TempDir dir;
  CheckpointStore store(dir.path(), 2);
  save(store, 100, 1);
  for (const fs::path& path :
       {name_of_gone(dir / "step_00000200"), temporary_beside(dir / "step_00000200"),
        name_of_gone(dir / "step_00000001", TemporaryKind::kTrash), dir / "mine.tmp-1"})
    fs::create_directories(path / "inner");
  const fs::path elsewhere = name_from_elsewhere(dir / "step_00000200");
  fs::create_directories(elsewhere);
  dir.write("config.json", "{}");
  store.clean_leftovers();
  EXPECT_EQ(name_list(dir.path()),
            "config.json mine.tmp-1 step_00000100 " + elsewhere.filename().string());
}

// Copies under names that only look like ours, of checkpoints that are still there or are not.
TEST(CheckpointStore, AUsersCopiesStay) {
  const TempDir dir;
  const std::vector<std::string> copies{"step_00000100.old-backup",
                                        "step_00000100.tmp-backup",
                                        "step_00000100.old-20261130",
                                        "step_00000100.old-2",
                                        "step_00000100.tmp-12",
                                        ".trash-step_00000100-7",
                                        ".trash-mine",
                                        "step_00000100.old-1234abcd",
                                        "step_00000999.old-7"};
  {
    CheckpointStore store(dir.path(), 2);
    save(store, 100, 1);
  }
  for (const std::string& name : copies)
    fs::copy(dir / "step_00000100", dir / name, fs::copy_options::recursive);
  CheckpointStore store(dir.path(), 2);
  store.clean_leftovers();
  for (std::int64_t step = 100; step <= 500; step += 100) save(store, step, step);
  store.clean_leftovers();
  for (const std::string& name : copies) EXPECT_EQ(CheckpointStore::verify(dir / name), "") << name;
  ASSERT_EQ(store.list().size(), 2u);
}

// Said before, decided by the write.
TEST(CheckpointStore, TooLittleSpaceIsSaidAndLeavesTheOlderOnes) {
  const TempDir dir;
  if (mount("tmpfs", dir.path().c_str(), "tmpfs", 0, "size=2m") != 0)
    GTEST_SKIP() << "may not mount a tmpfs";
  CheckpointStore store(dir / "out", 2);
  save(store, 100, 1);
  const std::vector<std::byte> large(4 << 20);
  const std::vector<CheckpointPart> parts = {
      {"model.safetensors", {{"w", "U8", {std::int64_t{4} << 20}, large}}}};
  ::testing::internal::CaptureStderr();
  try {
    store.save(testing::sample_manifest(200, 2), parts);
    ADD_FAILURE() << "saved 4 MiB on 2 MiB";
  } catch (const IoError& error) {
    EXPECT_EQ(error.error(), ENOSPC);
  }
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("of free space are reported, a checkpoint takes 5.00 MiB"), said.npos)
      << said;
  EXPECT_EQ(name_list(dir / "out"), "step_00000100");
  EXPECT_EQ(newest_tag(dir / "out"), 1);
  umount2(dir.path().c_str(), MNT_DETACH);
}

TEST(CheckpointStore, EveryTruncatedFileIsDetectedAndPassedOver) {
  for (const std::string& name : files_of_a_checkpoint()) {
    const TempDir dir;
    CheckpointStore store(dir.path(), 2);
    save(store, 100, 1);
    save(store, 200, 2);
    const fs::path file = dir.path() / "step_00000200" / name;
    const std::string good = read_file(file);
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{1}, good.size() / 2, good.size() - 1, good.size() + 1}) {
      write_bytes(file, (good + "x").substr(0, size));
      const auto listed = store.list();
      ASSERT_EQ(listed.size(), 2u);
      EXPECT_FALSE(listed[0].good) << name << " " << size;
      EXPECT_NE(listed[0].problem.find(name), std::string::npos) << listed[0].problem;
      EXPECT_EQ(newest_tag(dir.path()), 1) << name << " " << size;
    }
    fs::remove(file);
    EXPECT_EQ(newest_tag(dir.path()), 1) << name << " missing";
    write_bytes(file, good);
    EXPECT_EQ(newest_tag(dir.path()), 2);
  }
}

TEST(CheckpointStore, EveryFlippedByteIsDetected) {
  const TempDir dir;
  CheckpointStore store(dir.path(), 2);
  save(store, 100, 1);
  save(store, 200, 2);
  const fs::path checkpoint = dir / "step_00000200";
  std::mt19937 random(1337);
  for (const std::string& name : files_of_a_checkpoint()) {
    const fs::path file = checkpoint / name;
    const std::string good = read_file(file);
    std::vector<std::size_t> places = {0, good.size() - 1};
    const bool all = name == "manifest.json";
    for (std::size_t i = 0; i < (all ? good.size() : 500); ++i)
      places.push_back(all ? i : random() % good.size());
    for (const std::size_t at : places) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
      write_bytes(file, bytes);
      const std::string problem = CheckpointStore::verify(checkpoint);
      EXPECT_NE(problem.find(name), std::string::npos) << name << " byte " << at << problem;
    }
    EXPECT_EQ(newest_tag(dir.path()), 1) << name;
    write_bytes(file, good);
    EXPECT_EQ(CheckpointStore::verify(checkpoint), "");
  }
}

TEST(CheckpointStore, ListingReadsEveryByteWhenAsked) {
  const TempDir dir;
  CheckpointStore store(dir.path(), 2);
  save(store, 100, 1);
  const fs::path file = dir / "step_00000100/optimizer.safetensors";
  std::string bytes = read_file(file);
  bytes.back() = static_cast<char>(~bytes.back());
  write_bytes(file, bytes);
  EXPECT_TRUE(store.list().at(0).good);
  const CheckpointInfo info = store.list(/*every_byte=*/true).at(0);
  EXPECT_FALSE(info.good);
  EXPECT_NE(info.problem.find("optimizer.safetensors: checksum"), std::string::npos)
      << info.problem;
  EXPECT_EQ(info.manifest.step, 100);
}

TEST(CheckpointStore, SaysWhyItPassesOneOver) {
  const TempDir dir;
  CheckpointStore store(dir.path(), 2);
  save(store, 100, 1, /*best=*/true);
  save(store, 200, 2, /*best=*/true);
  write_bytes(dir / "step_00000200/model.safetensors", "");
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(store.newest_good()->step, 100);
  const std::string newest = ::testing::internal::GetCapturedStderr();
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(store.best_good()->step, 100);
  const std::string best = ::testing::internal::GetCapturedStderr();
  for (const std::string& text : {newest, best}) {
    EXPECT_NE(text.find("step_00000200 is passed over: model.safetensors"), std::string::npos)
        << text;
    EXPECT_NE(text.find("found 0"), std::string::npos) << text;
  }
}

TEST(CheckpointStore, AManifestMayNotPointElsewhere) {
  const TempDir dir;
  Manifest manifest = testing::sample_manifest(100, 1);
  manifest.files = {{"../step_00000100/manifest.json", 1, 1}};
  fs::create_directory(dir / "step_00000100");
  dir.write("step_00000100/manifest.json", to_json(manifest));
  EXPECT_NE(CheckpointStore::verify(dir / "step_00000100").find("no plain file name"),
            std::string::npos);
  manifest.files.clear();
  dir.write("step_00000100/manifest.json", to_json(manifest));
  EXPECT_NE(CheckpointStore::verify(dir / "step_00000100"), "");
}

}  // namespace
}  // namespace gpt
