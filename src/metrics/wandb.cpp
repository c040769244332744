#include "gpt/metrics/wandb.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <random>
#include <utility>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/metrics/metric_names.h"

#include "wandb_file.h"
#include "wandb_helper.h"

namespace gpt {

namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// Eight letters and digits, as the package draws them; of the machine's entropy, so that no number
// of the training changes.
std::string new_id() {
  const std::string given = environment("WANDB_RUN_ID");
  if (!given.empty() && given.find_first_of("/\\:*?\"<>|") == std::string::npos && given != "..")
    return given;
  static constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::random_device device;
  std::string id;
  for (int i = 0; i < 8; ++i) id += kLetters[device() % kLetters.size()];
  return id;
}

std::string text_in(const std::vector<MetricsSink::Entry>& entries, std::string_view key) {
  for (const auto& [name, value] : entries)
    if (const auto* text = std::get_if<std::string>(&value); text && name == key) return *text;
  return "";
}

std::string in_html(const std::string& text) {
  std::string html;
  for (const char c : text) {
    if (c == '&')
      html += "&amp;";
    else if (c == '<')
      html += "&lt;";
    else
      html += c;
  }
  return html;
}

// W&B shows it in a frame of its own, light whatever the page around it is.
constexpr const char* kSamplesHead =
    "<!doctype html><meta charset=\"utf-8\"><title>Samples</title><style>"
    "body{font:14px/1.5 sans-serif;margin:8px;color:#222;background:#fff}"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:0 0 12px;padding:8px;"
    "border:1px solid #ccc}b{color:#06c}</style>\n";

}  // namespace

void WandbMetrics::open(const WandbRun& run) {
  const std::string mode = environment("WANDB_MODE");
  if (mode == "disabled") return;
  attempt([&] {
    const std::string place = environment("WANDB_DIR");
    const fs::path parent = place.empty() ? fs::path(".") : fs::path(place);
    const fs::path folder = parent / "wandb";
    make_directories(folder);
    const bool live = mode != "offline" && mode != "dryrun";
    if (const auto python = live ? WandbHelper::find_python() : std::nullopt) {
      const fs::path log = folder / "gpttrain.log";
      recorder_ = std::make_unique<WandbHelper>(*python, parent, log, new_id(), run);
      log_info(
          concat("W&B: fed through ", python->string(), "; what it says is in ", log.string()));
      return;
    }
    auto file = std::make_unique<WandbFile>(folder, new_id(), run);
    log_info(concat("W&B: ", live ? "no python3 on PATH has the package wandb, so " : "",
                    "an offline run is written: ", file->path().parent_path().string()));
    recorder_ = std::move(file);
  });
}

WandbMetrics::~WandbMetrics() {
  attempt([&] {
    send_step();
    if (recorder_) recorder_->finish(exit_code_);
  });
}

void WandbMetrics::attempt(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    log_warning(concat(error.what(), "; the run continues without W&B, and metrics.jsonl has all"));
    recorder_.reset();
  }
}

// A step that a resumed process does again is a step of another run there, so steps ascend.
void WandbMetrics::write(std::string_view event, const std::vector<Entry>& entries) {
  if (!recorder_) return;
  if (event == "end" || event == "stop") exit_code_ = 0;
  std::int64_t step = step_;
  for (const auto& [key, value] : entries)
    if (const auto* whole = std::get_if<std::int64_t>(&value); whole && key == "iter")
      step = std::max(step_, *whole);
  const auto named = named_numbers(event, entries);
  const bool sample = event == "sample";
  if (named.empty() && !sample) return;
  if (step != step_) attempt([&] { send_step(); });
  step_ = step;
  time_ =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  values_["iter"] = static_cast<double>(std::max<std::int64_t>(step, 0));
  for (const auto& [name, value] : named) values_[name] = value;
  if (!sample) return;
  if (samples_.empty()) samples_ = kSamplesHead;
  samples_ += concat("<pre><b>", in_html(text_in(entries, "prompt")), "</b>",
                     in_html(text_in(entries, "text")), "</pre>\n");
}

void WandbMetrics::send_step() {
  if (!recorder_ || values_.empty()) return;
  const WandbRecorder::Values values = std::exchange(values_, {});
  const std::string samples = std::exchange(samples_, {});
  recorder_->log(std::max<std::int64_t>(step_, 0), time_, values, samples);
}

}  // namespace gpt
