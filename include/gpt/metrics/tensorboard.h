// out_dir/tb: the event file that TensorBoard shows, made from the run's metrics.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpt/base/files.h"
#include "gpt/metrics/history.h"
#include "gpt/metrics/metrics_sink.h"

namespace gpt {

class TensorboardMetrics : public MetricsSink {
 public:
  // From now on events go to a new file of `folder`. It begins with what `history` (a
  // metrics.jsonl, which need not be there) has of the run that is resumed, and the files that the
  // run had before are emptied, so that no series has a step twice. `config` is shown as text. A
  // folder that cannot be written costs a warning, not the run.
  void open(const std::filesystem::path& folder, const std::filesystem::path& history,
            std::string config);

  // Named as metric_names.h says; nothing before open(). What a full disk does not take waits, up
  // to a mebibyte; the oldest goes first.
  void write(std::string_view event, const std::vector<Entry>& entries) override;

 private:
  void begin(const MetricsEvent& first);
  void make_file();
  void replay(const MetricsEvent& first);
  void add(const MetricsEvent& event);
  void put(const std::string& message);
  void write_waiting();
  void empty_older() const;
  void attempt(const std::function<void()>& work);

  std::filesystem::path folder_, history_, path_;
  std::string config_;
  std::optional<OutputFile> file_;
  std::deque<std::string> waiting_;  // records that are not in the file yet
  std::size_t waiting_bytes_ = 0;
  std::map<std::string, std::int64_t, std::less<>> last_steps_;  // of each series
  bool open_ = false, begun_ = false, failing_ = false;
};

}  // namespace gpt
