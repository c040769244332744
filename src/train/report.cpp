#include "gpt/train/report.h"

#include <cmath>
#include <numbers>
#include <sstream>
#include <utility>
#include <vector>

#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/device/memory.h"
#include "gpt/probe/report.h"
#include "gpt/train/spike_guard.h"
#include "gpt/train/trainer.h"

namespace gpt {

namespace {

double mebibytes(std::uint64_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
}

// 22,345 as 22k, which a line on a terminal has space for.
std::string short_number(double value) {
  if (value >= 1e6) return format("%.2fM", value / 1e6);
  return value >= 1e4 ? format("%.0fk", value / 1e3) : format("%.0f", value);
}

// All that the device holds, as far as it can be told.
void add_reading(const c10::Device& device, const std::optional<DeviceReading>& reading,
                 std::string& line, std::vector<MetricsSink::Entry>& entries) {
  if (!reading) return;
  const DeviceReading& now = *reading;
  if (device.is_cuda()) {
    constexpr double kGiB = 1 << 30;
    line += format(", card %.2f/%.2fGiB", static_cast<double>(now.used + now.reserved) / kGiB,
                   static_cast<double>(now.total) / kGiB);
    if (now.others.value_or(0) > 0) line += format(" (others %.0fMiB)", mebibytes(*now.others));
    entries.emplace_back("device_used_mib", mebibytes(now.used));
    entries.emplace_back("device_reserved_mib", mebibytes(now.reserved));
    entries.emplace_back("device_free_mib", mebibytes(now.free));
    if (now.others) entries.emplace_back("device_others_mib", mebibytes(*now.others));
  } else {
    entries.emplace_back("system_available_mib", mebibytes(now.free));
  }
  if (now.own) entries.emplace_back("process_mib", mebibytes(*now.own));
}

// How often the tokens of train have been trained on: of all, and of each source of several.
double epochs_of(const std::vector<SourceProgress>& data) {
  SourceProgress all{.name = "", .tokens = 0, .tokens_per_epoch = 0};
  for (const SourceProgress& source : data) {
    all.tokens += source.tokens;
    all.tokens_per_epoch += source.tokens_per_epoch;
  }
  return data.empty() ? 0 : all.epochs();
}

// The names of what is recorded of several sources, which entries only refer to.
struct SourceKeys {
  explicit SourceKeys(const std::vector<SourceProgress>& data) {
    if (data.size() < 2) return;
    for (const SourceProgress& source : data) {
      epoch.push_back(concat("epoch/", source.name));
      tokens.push_back(concat("tokens/", source.name));
    }
  }
  std::vector<std::string> epoch, tokens;
};

void add_epochs(const std::vector<SourceProgress>& data, const SourceKeys& keys,
                std::vector<MetricsSink::Entry>& entries) {
  entries.emplace_back("epoch", epochs_of(data));
  for (std::size_t i = 0; i < keys.epoch.size(); ++i) {
    entries.emplace_back(keys.epoch[i], data[i].epochs());
    entries.emplace_back(keys.tokens[i], data[i].tokens);
  }
}

}  // namespace

Report::Report(const TrainConfig& config, const c10::Device& device, MetricsSink& metrics,
               Throughput throughput)
    : config_(config),
      device_(device),
      metrics_(metrics),
      throughput_(throughput),
      watch_(device) {}

void Report::started(std::int64_t step, bool resumed) {
  metrics_.write(resumed ? "resume" : "start", {{"iter", step}});
  done_ = static_cast<double>(step);
  progress_.emplace("train", static_cast<double>(config_.optimizer.max_iters) + 1);
  progress_->update(done_);
}

void Report::expect_peaks(std::int64_t train, std::int64_t eval) {
  expected_train_ = train;
  expected_eval_ = eval;
}

void Report::start_step() {
  if (expected_train_ > 0) reset_peak_memory(device_);
  throughput_.start_step();
}

void Report::start_evaluation() {
  if (expected_eval_ > 0) reset_peak_memory(device_);
}

void Report::compare_peak(std::int64_t step, const char* what, std::int64_t& expected) {
  constexpr double kTolerance = 0.03;
  if (expected == 0) return;
  const auto predicted = static_cast<double>(std::exchange(expected, 0));
  const auto measured = static_cast<double>(memory_use(device_).tensors_peak);
  const double off = predicted / measured - 1;
  const std::string text =
      format("memory of %s: predicted peak %.1f MiB, measured %.1f MiB (%+.1f %%)", what,
             predicted / (1 << 20), measured / (1 << 20), 100 * off);
  if (std::abs(off) > kTolerance)
    log_warning(text + "; more than 3 % apart: please report it with `gpttrain doctor`");
  else
    print_line(text);
  metrics_.write("memory", {{"iter", step},
                            {"of", std::string(what)},
                            {"predicted_mib", predicted / (1 << 20)},
                            {"measured_mib", measured / (1 << 20)}});
}

// nanoGPT's draws know no epochs.
bool Report::tells_epochs() const {
  return data_.size() > 1 || config_.data.data_order != "random";
}

std::string Report::note() const {
  std::vector<std::string> parts;
  if (loss_) parts.push_back(format("loss %.4f", *loss_));
  if (val_loss_) parts.push_back(format("val %.4f", *val_loss_));
  const double speed = throughput_.recent_tokens_per_second();
  if (speed > 0) parts.push_back(short_number(speed) + " tok/s");
  const std::int64_t interval = config_.io.eval_interval;
  const auto next = static_cast<std::int64_t>(done_);
  const std::int64_t since = interval > 0 ? next % interval : 0;
  const std::int64_t until = since == 0 ? 0 : interval - since;
  if (speed > 0 && until > 0 && until <= config_.optimizer.max_iters - next)
    parts.push_back("eval in " +
                    human_seconds(static_cast<double>(until) * throughput_.recent_seconds()));
  return join(parts, "  ");
}

void Report::step(std::int64_t step, const StepResult& result) {
  throughput_.end_step();
  ++steps_;
  // What statistics take is not in the prediction.
  const std::int64_t looks = config_.monitor.stats_interval;
  if (looks == 0 || step % looks != 0) compare_peak(step, "training", expected_train_);
  done_ = static_cast<double>(step + 1);
  loss_ = result.mean_loss;
  data_ = result.data;
  progress_->update(done_, note());
  if (step % config_.io.log_interval != 0) return;
  const Throughput::Reading speed = throughput_.read();
  const MemoryUse memory = memory_use(device_);
  std::string line = format("iter %ld: loss %.4f, time %.2fms, mfu %.2f%%, %s tok/s, mem %.0fMiB",
                            step, result.last_loss, speed.milliseconds, 100 * speed.mfu,
                            with_commas(static_cast<std::int64_t>(speed.tokens_per_second)).c_str(),
                            mebibytes(memory.now));
  // nanoGPT prints the loss of the last batch only; with accumulation the mean says more.
  if (config_.data.gradient_accumulation_steps > 1)
    line += format(", mean loss %.4f", result.mean_loss);
  std::vector<MetricsSink::Entry> entries{{"iter", step},
                                          {"loss", result.last_loss},
                                          {"mean_loss", result.mean_loss},
                                          {"lr", result.learning_rate},
                                          {"grad_norm", result.gradient_norm},
                                          {"ms", speed.milliseconds},
                                          {"tok_per_sec", speed.tokens_per_second},
                                          {"mfu", 100 * speed.mfu},
                                          {"memory_mib", mebibytes(memory.now)},
                                          {"peak_memory_mib", mebibytes(memory.peak)}};
  const SourceKeys keys(data_);
  add_epochs(data_, keys, entries);
  if (tells_epochs()) line += format(", epoch %.3f", epochs_of(data_));
  add_reading(device_, watch_.read(), line, entries);
  if (take_group_seconds) {
    const GroupSeconds seconds = take_group_seconds();
    line += format(", waited %.2fms", 1000 * seconds.waiting);
    entries.emplace_back("wait_ms", 1000 * seconds.waiting);
    entries.emplace_back("exchange_ms", 1000 * seconds.moving);
  }
  print_line(line);
  progress_->update(done_, note());
  metrics_.write("train", entries);
}

void Report::evaluating(std::int64_t done, std::int64_t total) {
  if (progress_ && done < total)
    progress_->update(done_, format("evaluating %ld/%ld", done, total));
}

void Report::evaluated(std::int64_t step) {
  // Gradients, which the prediction counts, are there from this process's first step on, and graphs
  // from the third one.
  if (steps_ >= 3) compare_peak(step, "evaluation", expected_eval_);
}

void Report::evaluation(std::int64_t step, const SplitLosses& losses, bool best) {
  val_loss_ = losses.val;
  std::string line =
      format("step %ld: train loss %.4f, val loss %.4f", step, losses.train, losses.val);
  if (losses.masked_train && losses.masked_val)
    line += format(" (targets that do not count: train %.4f, val %.4f)", *losses.masked_train,
                   *losses.masked_val);
  print_line(line);
  std::vector<MetricsSink::Entry> entries{{"iter", step},
                                          {"train/loss", losses.train},
                                          {"val/loss", losses.val},
                                          {"best", std::int64_t{best}}};
  if (losses.masked_train) entries.emplace_back("train/masked_loss", *losses.masked_train);
  if (losses.masked_val) entries.emplace_back("val/masked_loss", *losses.masked_val);
  if (bytes_per_token && !losses.masked_val)
    entries.emplace_back("val/bpb", losses.val / std::numbers::ln2 / *bytes_per_token);
  metrics_.write("eval", entries);
}

void Report::looking(const std::string& what, double share) {
  if (progress_) progress_->update(done_, format("%s %.0f %%", what.c_str(), 100 * share));
}

void Report::task(std::int64_t step, const std::string& text,
                  const std::vector<std::pair<std::string, MetricsSink::Value>>& values) {
  print_line(concat("step ", step, ": task ", text));
  std::vector<MetricsSink::Entry> entries{{"iter", step}};
  for (const auto& [name, value] : values) entries.emplace_back(name, value);
  metrics_.write("task", entries);
}

// A bar before each line, so that the text ends where it ends.
void Report::sample(std::int64_t step, const std::string& prompt, const std::string& text) {
  print_line(concat("step ", step, ": sample after ", quoted_name(prompt)));
  std::istringstream lines(prompt + text);
  for (std::string line; std::getline(lines, line);) print_line("  | " + line);
  metrics_.write("sample", {{"iter", step}, {"prompt", prompt}, {"text", text}});
}

namespace {

// The layer whose value is largest, of one quantity.
std::string largest_of(const std::vector<std::pair<std::string, double>>& values,
                       const std::string& quantity) {
  const std::pair<std::string, double>* most = nullptr;
  for (const auto& value : values)
    if (value.first.starts_with(quantity + "/") && (!most || value.second > most->second))
      most = &value;
  if (!most) return "";
  return format("%.3g (%s)", most->second, most->first.substr(quantity.size() + 1).c_str());
}

}  // namespace

// All of them are in the metrics; a line has space for what is looked at first.
void Report::statistics(std::int64_t step,
                        const std::vector<std::pair<std::string, double>>& values) {
  std::vector<std::string> parts;
  const auto add = [&](const char* label, const std::string& text) {
    if (!text.empty()) parts.push_back(concat(label, " ", text));
  };
  add("largest update ratio", largest_of(values, "update_ratio"));
  add("activation rms", largest_of(values, "activation_rms"));
  add("share of dead units", largest_of(values, "dead_units"));
  std::vector<MetricsSink::Entry> entries{{"iter", step}};
  for (const auto& [name, value] : values) {
    if (name == "noise_scale_tokens") add("gradient noise scale", format("%.4g tokens", value));
    entries.emplace_back(name, value);
  }
  print_line(format("iter %ld: statistics: ", step) + join(parts, ", "));
  metrics_.write("stats", entries);
}

void Report::replanned(std::int64_t step, const std::string& what) {
  log_warning(what);
  expected_train_ = expected_eval_ = 0;  // they were the other plan's
  metrics_.write("replanned", {{"iter", step}, {"reason", what}});
}

void Report::stepped_down(std::int64_t step, const StepDown& what) {
  log_warning(concat("step ", step, ": ", what.text()));
  expected_train_ = expected_eval_ = 0;  // another kernel takes another amount of memory
  metrics_.write("probe", {{"iter", step},
                           {"ladder", what.ladder},
                           {"from", what.from},
                           {"to", what.to},
                           {"why", what.why}});
}

void Report::spike(const Spike& spike) {
  constexpr std::size_t kMost =
      50000;  // a line of metrics.jsonl beyond a mebibyte is not read back
  log_warning(spike.text());
  metrics_.write("spike", {{"iter", spike.step},
                           {"loss", spike.loss},
                           {"loss_z", spike.loss_z},
                           {"grad_norm", spike.gradient_norm},
                           {"grad_norm_z", spike.gradient_norm_z},
                           {"reason", spike.text()},
                           {"windows", spike.window_list(kMost)}});
}

void Report::rolled_back(const Spike& spike, std::int64_t step) {
  log_warning(format("iter %ld: rollback to the checkpoint of step %ld, and on with later windows",
                     spike.step, step));
  done_ = static_cast<double>(step);
  // What counts of the iterations since is what comes now, as in a run that is resumed.
  metrics_.write("resume", {{"iter", step}});
  metrics_.write("rollback", {{"iter", step}, {"from", spike.step}, {"reason", spike.text()}});
}

void Report::saved(std::int64_t step, const std::string& reason, std::int64_t failures) {
  print_line(format("saving checkpoint to %s (step %ld, %s)", config_.io.out_dir.c_str(), step,
                    reason.c_str()));
  metrics_.write("checkpoint", {{"iter", step}, {"reason", reason}});
  if (failures > 0)
    log_info(concat("checkpoints are written again, at step ", step, " after ", failures,
                    " attempt(s) that failed"));
}

void Report::save_failed(std::int64_t step, const std::string& why, bool again) {
  log_error(why + "; no checkpoint was written at step " + std::to_string(step) +
            "; older ones are untouched" + (again ? ", and it is tried again soon" : ""));
  metrics_.write("checkpoint_failed", {{"iter", step}, {"reason", why}});
}

void Report::stopped(std::int64_t next_step, const std::string& cause) {
  progress_.reset();
  metrics_.write("stop", {{"iter", next_step}, {"reason", cause}});
  print_line(format("stopped by %s before step %ld; the same command resumes from here",
                    cause.c_str(), next_step));
}

void Report::done(std::int64_t next_step, double best_val_loss) {
  progress_.reset();
  std::vector<MetricsSink::Entry> entries{{"iter", next_step}, {"best_val_loss", best_val_loss}};
  const SourceKeys keys(data_);
  if (tells_epochs()) add_epochs(data_, keys, entries);
  metrics_.write("end", entries);
  if (tells_epochs())
    for (const SourceProgress& source : data_)
      print_line(concat(source.name, ": trained on ", with_commas(source.tokens), " tokens, ",
                        format("%.3f epochs", source.epochs())));
  constexpr double kNone = 1e9;  // no evaluation so far
  if (best_val_loss < kNone)
    print_line(format("done after step %ld, best val loss %.4f", next_step - 1, best_val_loss));
}

}  // namespace gpt
