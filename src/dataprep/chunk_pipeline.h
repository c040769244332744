// All chunks of the sources through several threads, under a progress line.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <utility>

#include "gpt/base/log.h"
#include "gpt/base/machine_limits.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"
#include "gpt/dataprep/chunk_reader.h"
#include "gpt/dataprep/ordered_pipeline.h"

namespace gpt {

// How far a run is, for people: a line that is redrawn, or where there is no terminal a log line a
// minute.
class RunProgress {
 public:
  RunProgress(const std::string& title, double total) : line_(title, total), total_(total) {}

  void update(double disk_bytes, std::uint64_t text_bytes) {
    const auto now = Clock::now();
    if (first_ < 0) {
      first_ = disk_bytes;
      first_text_ = text_bytes;
    }
    const double seconds = std::chrono::duration<double>(now - start_).count();
    const std::string note =
        concat(human_bytes(text_bytes), " of text, ",
               human_bytes(static_cast<std::uint64_t>(
                   static_cast<double>(text_bytes - first_text_) / std::max(seconds, 1e-3))),
               "/s");
    line_.update(total_ > 0 ? disk_bytes : static_cast<double>(text_bytes), note);
    if (stderr_is_terminal() || now - logged_ < std::chrono::minutes(1)) return;
    logged_ = now;
    log_info(line_.render(disk_bytes, seconds, note, 200));
  }

 private:
  using Clock = std::chrono::steady_clock;
  ProgressLine line_;
  double total_, first_ = -1;
  std::uint64_t first_text_ = 0;
  Clock::time_point start_ = Clock::now(), logged_ = start_;
};

struct ChunkPipeline {
  const SourceFiles& sources;
  InputRules rules;
  ChunkReader::Cut cut;
  int threads;  // 0: one for each core that may be used
  std::function<bool()> stop;
  bool quiet = false;  // nothing odd is logged
};

// `work` on each chunk from `from` on, in several threads; `take` gets the results in order. False
// if it was stopped.
template <class Result>
bool run_chunks(const ChunkPipeline& pipeline, const std::string& title, const ReadPosition& from,
                const std::function<Result(const TextChunk&)>& work,
                const std::function<void(Result&, const ReadPosition&)>& take) {
  constexpr std::uint64_t kMostForEachThread = 2 * ChunkReader::kChunkBytes;
  constexpr auto kPatience = std::chrono::milliseconds(100);
  struct Done {
    Result result;
    ReadPosition after;
    double disk_bytes = 0;
  };
  const bool known =
      !pipeline.sources.files.front().stream || pipeline.sources.files.front().bytes > 0;
  RunProgress progress(title, known ? static_cast<double>(pipeline.sources.total_bytes()) : 0);
  const int threads = pipeline.threads > 0 ? pipeline.threads : usable_threads().threads;
  ChunkReader reader(pipeline.sources, pipeline.rules, pipeline.cut, from, pipeline.quiet);
  OrderedPipeline<TextChunk, Done> results(
      threads, kMostForEachThread * static_cast<std::uint64_t>(threads + 1),
      [&](const std::stop_token& stop) { return reader.next(stop); },
      [](const TextChunk& chunk) { return std::max<std::uint64_t>(chunk.bytes.size(), 1024); },
      [&](TextChunk&& chunk) {
        return Done{work(chunk), chunk.after, chunk.disk_bytes};
      });
  using Taken = typename decltype(results)::Taken;
  while (true) {
    if (pipeline.stop && pipeline.stop()) return false;
    Done done;
    const Taken taken = results.take(done, kPatience);
    if (taken == Taken::kEnd) return true;
    if (taken == Taken::kNothingYet) continue;
    take(done.result, done.after);
    progress.update(done.disk_bytes, done.after.all_bytes);
  }
}

}  // namespace gpt
