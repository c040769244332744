// `gpttrain` run on the stand-in, and what the stand-in has counted.
#pragma once

#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/child.h"
#include "support/environment.h"

namespace gpt::fake {

using testing::Environment;
using testing::Finished;
using testing::TempDir;
using Words = std::vector<std::string>;

inline Words operator+(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

// How a run ended, and what of it the stand-in counted.
struct Seen {
  Finished done;
  std::map<std::string, long> counts;

  long count(const std::string& what) const {
    const auto found = counts.find(what);
    return found == counts.end() ? 0 : found->second;
  }
  std::string text() const {
    std::string all = done.out + done.err;
    for (const auto& [what, times] : counts) all += std::to_string(times) + " " + what + "\n";
    return all;
  }
  bool says(const std::string& what) const {
    return (done.out + done.err).find(what) != std::string::npos;
  }
};

struct Cards {
  std::string capabilities = "86";
  std::string refuse_mib = {};
  std::string fails = {};
};

inline Seen watched(const TempDir& dir, const Words& arguments, const Cards& cards = {}) {
  const std::string report = dir / "report";
  fs::remove(report);
  const Environment preload("LD_PRELOAD", GPT_FAKE_CUDA),
      capabilities("FAKE_CUDA_CARDS", cards.capabilities), to("FAKE_CUDA_REPORT", report),
      cache("GPTTRAIN_CACHE", dir / "cache");
  std::optional<Environment> refuse;
  if (!cards.refuse_mib.empty()) refuse.emplace("FAKE_CUDA_REFUSE_MIB", cards.refuse_mib);
  std::optional<Environment> fails;
  if (!cards.fails.empty()) fails.emplace("FAKE_CUDA_FAIL", cards.fails);
  Seen seen{testing::run(dir, arguments), {}};
  std::istringstream lines(fs::exists(report) ? read_file(report) : "");
  long times = 0;
  for (std::string what; lines >> times && std::getline(lines >> std::ws, what);)
    seen.counts[what] = times;
  return seen;
}

inline void expect_clean(const Seen& seen) {
  EXPECT_EQ(seen.done.code, 0) << seen.text();
  EXPECT_GT(seen.count("kernel"), 0) << "the stand-in was not used\n" << seen.text();
  for (const auto& [what, times] : seen.counts)
    EXPECT_FALSE(what.starts_with("complaint")) << what << ", " << times << " times\n"
                                                << seen.text();
}

// Of `max_iters` steps; besides what CUDA's libraries hold, large enough to be foreseen within 3 %.
inline Words training(int max_iters, const Words& more = {}) {
  return testing::tiny_training({"--device=cuda", "--dtype=bfloat16", "--n_layer=4", "--n_head=4",
                                 "--n_embd=256", "--block_size=256", "--batch_size=16",
                                 "--out_dir=out", "--max_iters=" + std::to_string(max_iters)}) +
         more;
}

}  // namespace gpt::fake
