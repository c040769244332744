#include "gpt/train/monitor.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include <ATen/Context.h>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/device/memory.h"
#include "gpt/device/memory_failure.h"
#include "gpt/metrics/metric_names.h"
#include "gpt/text/tokenizer_files.h"
#include "gpt/text/tokenizer_within_rows.h"
#include "gpt/train/model_scorer.h"

namespace gpt {

namespace {

using Clock = std::chrono::steady_clock;

std::unique_ptr<Tokenizer> tokenizer_of(const Dataset& dataset) {
  std::unique_ptr<Tokenizer> tokenizer;
  if (!dataset.vocabulary_json.empty())
    tokenizer = tokenizer_of_meta(dataset.vocabulary_json, "the dataset's meta.json");
  else if (dataset.vocab_size >= kGpt2Vocabulary)
    tokenizer = open_tokenizer("gpt2");
  else
    throw InputError(concat(
        "task_files and sample_interval need the dataset's tokenizer, but there is no meta.json "
        "next to its tokens, and ",
        dataset.vocab_size,
        " of them are too few for GPT-2's; make the dataset with gpttrain prepare, or leave tasks "
        "and samples out"));
  if (tokenizer->vocab_size() <= dataset.vocab_size) return tokenizer;
  return std::make_unique<TokenizerWithinRows>(std::move(tokenizer), dataset.vocab_size);
}

// A name may have commas, too: what is no file is tried together with what follows it.
std::vector<std::string> listed_tasks(const std::string& list) {
  std::vector<std::string> files;
  std::istringstream parts(list);
  std::string name;
  for (std::string part; std::getline(parts, part, ',');) {
    name = name.empty() ? part : concat(name, ",", part);
    if (!file_exists(name)) continue;
    if (std::find(files.begin(), files.end(), name) != files.end())
      throw InputError("task_files: " + name + " is named twice; name it once");
    files.push_back(std::exchange(name, {}));
  }
  if (!name.empty())
    throw InputError("task_files: " + name +
                     ": no such file; expected HellaSwag or LAMBADA as .jsonl, llm.c's .bin, "
                     "tokens or a text, with commas between");
  return files;
}

// The decoder turns cuDNN's attention off for the process; training shall not notice.
class AttentionSwitch {
 public:
  AttentionSwitch() : cudnn_(at::globalContext().userEnabledCuDNNSDP()) {}
  ~AttentionSwitch() { at::globalContext().setSDPUseCuDNN(cudnn_); }
  AttentionSwitch(const AttentionSwitch&) = delete;
  AttentionSwitch& operator=(const AttentionSwitch&) = delete;

 private:
  bool cudnn_;
};

Compute decoder_compute(Compute compute) {
  // The CPU has no float16 matmuls worth the name.
  if (compute.device.is_cpu() && compute.type == at::kHalf) compute.type = at::kFloat;
  return compute;
}

}  // namespace

std::vector<std::string> task_names(const std::vector<std::string>& paths) {
  // Longer and longer ends of the paths, for those that share a name.
  const auto name_of = [](const fs::path& path, int level) {
    if (level == 0) return path.stem().string();
    fs::path end = path.filename();
    fs::path folder = fs::absolute(path).lexically_normal().parent_path();
    for (; level > 1 && folder.has_filename(); --level, folder = folder.parent_path())
      end = folder.filename() / end;
    return end.string();
  };
  const auto as_name = [](std::string text) {
    std::replace(text.begin(), text.end(), '/', '_');
    return metric_name(text.empty() ? "task" : text);
  };
  constexpr int kDeepest = 64;
  std::vector<std::string> names(paths.size());
  std::vector<int> level(paths.size(), 0);
  for (int round = 0; round < kDeepest; ++round) {
    std::map<std::string, int> count;
    for (std::size_t i = 0; i < paths.size(); ++i)
      ++count[names[i] = as_name(name_of(paths[i], level[i]))];
    bool unique = true;
    for (std::size_t i = 0; i < paths.size(); ++i)
      if (count[names[i]] > 1) {
        ++level[i];
        unique = false;
      }
    if (unique) return names;
  }
  for (std::size_t i = 0; i < names.size(); ++i) names[i] += concat("-", i + 1);
  return names;
}

Monitor::Monitor(const Parts& parts) : parts_(parts) {
  if (!parts_.group.is_first()) return;
  open_tasks();
  if (parts_.config.monitor.sample_interval > 0)
    samples_ = std::make_unique<PromptSamples>(parts_.config, tokenizer_of(parts_.dataset));
}

void Monitor::open_tasks() {
  const std::vector<std::string> paths = listed_tasks(parts_.config.monitor.task_files);
  const std::vector<std::string> names = task_names(paths);
  const std::int64_t block = parts_.config.data.block_size;
  const TaskOptions options{.context = block,
                            .stride = block,
                            .vocab_size = parts_.dataset.vocab_size,
                            .limit = parts_.config.monitor.task_limit,
                            .tokenizer = [this] { return tokenizer_of(parts_.dataset); },
                            .loss_mask = parts_.config.data.loss_mask == "auto",
                            .model = "the dataset"};
  for (std::size_t i = 0; i < paths.size(); ++i)
    tasks_.push_back({names[i], paths[i], open_task(task_of(paths[i]), paths[i], options)});
}

bool Monitor::tasks_due(const Manifest& state, bool at_end) const {
  const TrainConfig& config = parts_.config;
  if (config.monitor.task_files.empty() || state.last_task_step == state.step) return false;
  if (config.io.eval_only) return true;
  // One update ago is as good as now.
  if (at_end) return state.last_task_step + 1 < state.step;
  const std::int64_t interval = config.monitor.task_interval.or_else(config.io.eval_interval);
  return interval > 0 && state.step % interval == 0;
}

bool Monitor::samples_due(const Manifest& state, bool at_end) const {
  const std::int64_t interval = parts_.config.monitor.sample_interval;
  if (interval == 0 || state.last_sample_step == state.step) return false;
  if (at_end) return state.last_sample_step + 1 < state.step;
  return parts_.config.io.eval_only || state.step % interval == 0;
}

bool Monitor::due(const Manifest& state, bool at_end) const {
  return tasks_due(state, at_end) || samples_due(state, at_end);
}

// The first process tells the others now and then that it is alive, and hears whether one of them
// is to stop.
int Monitor::work_alone(
    const std::function<int()>& signal,
    const std::function<void(const std::function<bool()>& goes_on)>& work) const {
  constexpr std::int64_t kFinished = 1 << 16;  // plus the signal that ended it; beyond any signal
  constexpr auto kBetween = std::chrono::milliseconds(200);
  ProcessGroup& group = parts_.group;
  if (!group.is_first())
    for (;;)
      if (const std::int64_t said = group.max(signal()); said >= kFinished)
        return static_cast<int>(said - kFinished);
  int heard = 0;
  Clock::time_point last = {};
  work([&] {
    if (heard != 0 || (group.size() > 1 && Clock::now() - last < kBetween)) return heard == 0;
    heard = static_cast<int>(group.max(signal()));
    last = Clock::now();
    return heard == 0;
  });
  group.max(kFinished + heard);
  return heard;
}

int Monitor::look(Manifest& state, bool at_end, std::int64_t texts, std::int64_t head_chunk,
                  const std::function<int()>& signal) {
  const bool tasks = tasks_due(state, at_end), samples = samples_due(state, at_end);
  Findings findings;
  const int stopped = work_alone(signal, [&](const std::function<bool()>& goes_on) {
    const AttentionSwitch as_before;
    const auto attempt = [&](const std::string& what, const std::function<void()>& work) {
      try {
        if (const auto why = out_of_memory(work))
          throw Error(concat("out of memory (", missing_memory(parts_.compute.device), ")"));
      } catch (const LostProcess&) {
        throw;
      } catch (const Error& error) {
        log_warning(concat("step ", state.step, ": ", what, ": ", error.what(),
                           "; it is left out this time, and training continues"));
      }
    };
    attempt("tasks and samples", [&] {
      Decoder decoder(parts_.model.parameters(), parts_.config.model,
                      decoder_compute(parts_.compute));
      if (parts_.dataset.document_end) decoder.mask_documents(*parts_.dataset.document_end);
      const Scorer scorer = model_scorer(decoder, head_chunk);
      for (const Task& task : tasks_)
        if (tasks && goes_on())
          attempt("task " + task.name,
                  [&] { run_task(task, scorer, texts, state.step, goes_on, findings); });
      if (samples && goes_on())
        attempt("samples", [&] { draw_samples(decoder, state.step, goes_on, findings); });
    });
  });
  // Else the allocator would find its cache full of blocks that no step uses.
  release_cached_memory(parts_.compute.device);
  if (stopped != 0) return stopped;
  for (const auto& report : findings) report();
  if (tasks) state.last_task_step = state.step;
  if (samples) state.last_sample_step = state.step;
  return 0;
}

void Monitor::run_task(const Task& task, const Scorer& scorer, std::int64_t texts,
                       std::int64_t step, const std::function<bool()>& goes_on,
                       Findings& findings) const {
  const auto begin = Clock::now();
  const TaskFile::Values values =
      task.file->score(scorer, texts, [&](double done, double total, double) {
        parts_.report.looking(task.name, done / total);
        return goes_on();
      });
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  const std::vector<std::string> curves = task.file->curves();
  TaskFile::Values shown;
  for (const auto& [name, value] : values)
    if (std::find(curves.begin(), curves.end(), name) != curves.end())
      shown.emplace_back(concat(task.name, "/", name), value);
  const std::string text =
      concat(task.name, ": ", task.file->sentence(values), ", ", human_seconds(seconds));
  findings.emplace_back([this, step, text, shown] { parts_.report.task(step, text, shown); });
}

void Monitor::draw_samples(const Decoder& decoder, std::int64_t step,
                           const std::function<bool()>& goes_on, Findings& findings) const {
  parts_.report.looking("samples", 0);
  for (const PromptSamples::Sample& sample : samples_->draw(decoder, step, goes_on))
    findings.emplace_back(
        [this, step, sample] { parts_.report.sample(step, sample.prompt, sample.text); });
}

}  // namespace gpt
