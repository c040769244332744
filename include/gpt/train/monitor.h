// What is looked at between two steps of a run, besides its losses: tasks and samples. Neither
// touches the generators of training.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gpt/checkpoint/manifest.h"
#include "gpt/config/train_config.h"
#include "gpt/device/compute.h"
#include "gpt/model/gpt.h"
#include "gpt/parallel/process_group.h"
#include "gpt/train/dataset.h"
#include "gpt/train/prompt_samples.h"
#include "gpt/train/report.h"
#include "gpt/train/task_file.h"

namespace gpt {

class Monitor {
 public:
  struct Parts {
    const TrainConfig& config;
    Compute compute;
    const Gpt& model;
    const Dataset& dataset;
    Report& report;
    ProcessGroup& group;
  };

  // The first process opens and checks all files and prompts. InputError.
  explicit Monitor(const Parts& parts);

  // Is there something to do before step state.step, or `at_end` of the run, that has not been
  // reported yet?
  bool due(const Manifest& state, bool at_end) const;

  // Does it, in the first process alone, so that the numbers are the same for any number of them;
  // the others wait. A decoder reads `texts` at a time, with `head_chunk` tokens' logits at once.
  // What lacks memory, or a file that has become unreadable, costs a warning. `signal` is the
  // number of a stop signal that came to this process, or 0; one that came to any process ends the
  // work, nothing of it is reported, and its number is returned.
  int look(Manifest& state, bool at_end, std::int64_t texts, std::int64_t head_chunk,
           const std::function<int()>& signal);

 private:
  struct Task {
    std::string name, path;
    std::unique_ptr<TaskFile> file;
  };
  // What is to be reported when all of it is done.
  using Findings = std::vector<std::function<void()>>;

  bool tasks_due(const Manifest& state, bool at_end) const;
  bool samples_due(const Manifest& state, bool at_end) const;
  void open_tasks();
  void run_task(const Task& task, const Scorer& scorer, std::int64_t texts, std::int64_t step,
                const std::function<bool()>& goes_on, Findings& findings) const;
  void draw_samples(const Decoder& decoder, std::int64_t step, const std::function<bool()>& goes_on,
                    Findings& findings) const;
  int work_alone(const std::function<int()>& signal,
                 const std::function<void(const std::function<bool()>& goes_on)>& work) const;

  Parts parts_;
  std::vector<Task> tasks_;
  std::unique_ptr<PromptSamples> samples_;
};

// Names for the files in metrics: what comes before the extension, with more of the path where that
// would be the name of two. The same whatever the order.
std::vector<std::string> task_names(const std::vector<std::string>& paths);

}  // namespace gpt
