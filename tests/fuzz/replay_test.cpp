// What fuzzing found, and the seeds it starts from, through the same targets in an ordinary build:
// each input as it is, cut short at every length, and with each byte changed.
#include <cstdlib>
#include <new>

#include <gtest/gtest.h>

#include "gpt/base/files.h"

#include "fuzz/targets.h"
#include "support/python.h"
#include "support/temp_dir.h"

// No input here deserves much memory: a reader that believes a size in a file fails with
// std::bad_alloc, which is no gpt::Error.
[[gnu::noinline]] void* operator new(std::size_t size) {
  constexpr std::size_t kMost = std::size_t{64} << 20;
  void* memory = size > kMost ? nullptr : std::malloc(size ? size : 1);
  if (!memory) throw std::bad_alloc();
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace gpt::fuzz {

namespace {

std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  if (std::filesystem::exists(folder))
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      files.push_back(entry.path());
  return files;
}

// Whether the target answers as it should; says what it did instead.
std::string fault(const Target& target, std::string_view bytes) {
  try {
    read_or_refuse([&] { target.read(bytes); });
    return "";
  } catch (const std::exception& error) {
    return error.what();
  }
}

void replay(const Target& target, const std::filesystem::path& file) {
  const std::string bytes = read_file(file);
  ASSERT_EQ(fault(target, bytes), "") << file;
  constexpr std::size_t kTries = 300;  // of each kind, evenly spread
  const std::size_t step = bytes.size() / kTries + 1;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    ASSERT_EQ(fault(target, std::string_view(bytes).substr(0, at)), "") << file << " cut at " << at;
    std::string changed = bytes;
    for (const char with : {'\0', '\xFF', '9'}) {
      changed[at] = with;
      ASSERT_EQ(fault(target, changed), "") << file << " with a change at " << at;
    }
  }
}

class Replay : public ::testing::TestWithParam<Target> {};

TEST_P(Replay, AnswersWithAnErrorOrReads) {
  const testing::TempDir folder;
  const auto made =
      testing::run_python("/usr/bin/python3", "tests/fuzz/make_seeds.py", {folder.path().string()});
  ASSERT_EQ(made.code, 0) << made.out;
  const auto seeds = files_in(folder / std::string(GetParam().name));
  ASSERT_FALSE(seeds.empty()) << "tests/fuzz/make_seeds.py makes no seed of this name";
  for (const auto& file : seeds) replay(GetParam(), file);
  const auto root = std::filesystem::path(GPT_SOURCE_DIR) / "tests/fuzz/regressions";
  for (const auto& file : files_in(root / GetParam().name)) replay(GetParam(), file);
}

// One seed of each at least is a file as it should be, or the targets would stop at their first
// check.
TEST_P(Replay, ReadsItsFirstSeed) {
  const testing::TempDir folder;
  const auto made =
      testing::run_python("/usr/bin/python3", "tests/fuzz/make_seeds.py", {folder.path().string()});
  ASSERT_EQ(made.code, 0) << made.out;
  EXPECT_NO_THROW(GetParam().read(read_file(folder / std::string(GetParam().name) / "good")));
}

INSTANTIATE_TEST_SUITE_P(Fuzz, Replay, ::testing::ValuesIn(targets()),
                         [](const auto& target) { return std::string(target.param.name); });

}  // namespace

}  // namespace gpt::fuzz
