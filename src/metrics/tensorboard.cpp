#include "gpt/metrics/tensorboard.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <span>
#include <unistd.h>
#include <utility>

#include "gpt/base/checksum.h"
#include "gpt/base/error.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/base/temporary_name.h"
#include "gpt/metrics/metric_names.h"

#include "protobuf.h"

namespace gpt {

namespace {

// What marks a file as ours, so that others' files in the folder stay.
constexpr std::string_view kOurs = ".gpttrain";

double unix_seconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

// Checksums of checksums are weak, so TFRecords rotate theirs and add a constant.
std::uint32_t masked_crc(std::string_view bytes) {
  const std::uint32_t crc = crc32c(std::as_bytes(std::span(bytes)));
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

void append_little_endian(std::string& to, std::uint64_t value, int size) {
  for (int i = 0; i < size; ++i) to += static_cast<char>(value >> 8 * i);
}

// A TFRecord: length, its checksum, the data, its checksum.
std::string record_of(const std::string& data) {
  std::string record;
  append_little_endian(record, data.size(), 8);
  append_little_endian(record, masked_crc(record), 4);
  record += data;
  append_little_endian(record, masked_crc(data), 4);
  return record;
}

// The fields of tensorboard's event.proto, summary.proto and tensor.proto.
Protobuf event_at(double time, std::int64_t step) {
  return Protobuf().number(1, time).integer(2, step);
}

Protobuf scalar_value(const std::string& tag, double value) {
  return Protobuf().bytes(1, tag).single(2, static_cast<float>(value));
}

Protobuf text_value(std::string_view tag, std::string_view text) {
  constexpr std::int64_t kDtString = 7;
  const Protobuf shape = Protobuf().message(2, Protobuf().integer(1, 1));
  const Protobuf tensor = Protobuf().integer(1, kDtString).message(2, shape).bytes(8, text);
  const Protobuf plugin = Protobuf().bytes(1, "text");
  return Protobuf().bytes(1, tag).message(8, tensor).message(9, Protobuf().message(1, plugin));
}

// Text is Markdown there; indented, it is shown as it is.
std::string as_code(std::string_view text) {
  std::string code = "    ";
  for (const char c : text) code += c == '\n' ? std::string("\n    ") : std::string(1, c);
  return code;
}

// Samples of one prompt are one series.
std::string text_tag(const MetricsEvent& event) {
  if (event.name != "sample") return metric_name(concat("events/", event.name));
  constexpr std::size_t kLongest = 40;
  for (const auto& [key, value] : event.values)
    if (const auto* prompt = std::get_if<std::string>(&value); prompt && key == "prompt")
      return metric_name(concat("sample/", prompt->substr(0, kLongest)));
  return "sample";
}

// Readers go through the files of a folder by name, so each is later than all that are there.
std::string file_name(const fs::path& folder) {
  auto time = static_cast<long long>(unix_seconds());
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    long long other = 0;
    if (std::sscanf(name.c_str(), "events.out.tfevents.%10lld", &other) == 1)
      time = std::max(time, other + 1);
  }
  char host[256] = {};
  if (gethostname(host, sizeof host - 1) != 0 || !*host) host[0] = '-';
  return format("events.out.tfevents.%010lld.%s.%d%s", time, metric_name(host).c_str(),
                static_cast<int>(getpid()), kOurs.data());
}

}  // namespace

void TensorboardMetrics::open(const std::filesystem::path& folder,
                              const std::filesystem::path& history, std::string config) {
  folder_ = folder;
  history_ = history;
  config_ = std::move(config);
  file_.reset();
  last_steps_.clear();
  open_ = true;
  begun_ = false;
}

// What cannot be written costs a warning, and that it can be again is said, too.
void TensorboardMetrics::attempt(const std::function<void()>& work) {
  try {
    work();
    if (std::exchange(failing_, false)) log_info(path_.string() + ": is written again");
  } catch (const Error& error) {
    if (!std::exchange(failing_, true))
      log_warning(concat(error.what(), "; training continues, and what TensorBoard shows is ",
                         "written later (tensorboard=False leaves it out)"));
  }
}

void TensorboardMetrics::write(std::string_view event, const std::vector<Entry>& entries) {
  if (!open_) return;
  MetricsEvent now;
  now.name = event;
  now.time = unix_seconds();
  for (const auto& [key, value] : entries) {
    const auto* whole = std::get_if<std::int64_t>(&value);
    if (key == "iter" && whole)
      now.iter = *whole;
    else
      now.values.emplace_back(key, value);
  }
  if (!std::exchange(begun_, true)) begin(now);
  add(now);
  if (!waiting_.empty()) attempt([&] { write_waiting(); });
}

void TensorboardMetrics::begin(const MetricsEvent& first) {
  attempt([&] {
    try {
      make_file();
      replay(first);
    } catch (const Error&) {  // half of a history next to the old one would show steps twice
      file_.reset();
      waiting_.clear();
      waiting_bytes_ = 0;
      remove_or_warn(path_);
      throw;
    }
    empty_older();
  });
}

void TensorboardMetrics::make_file() {
  file_.reset();
  make_directories(folder_);
  path_ = folder_ / file_name(folder_);
  file_.emplace(path_);
  const Protobuf writer = Protobuf().bytes(1, "gpttrain");
  file_->write(record_of(
      Protobuf().number(1, unix_seconds()).bytes(3, "brain.Event:2").message(10, writer).str()));
}

// A TensorBoard that is looking on drops what it has read of the files that this one replaces.
void TensorboardMetrics::replay(const MetricsEvent& first) {
  constexpr std::int64_t kStart = 1;
  put(event_at(unix_seconds(), 0).message(7, Protobuf().integer(1, kStart)).str());
  const Protobuf config = Protobuf().message(1, text_value("config", as_code(config_)));
  put(event_at(unix_seconds(), 0).message(5, config).str());
  if (present(history_))
    read_history(
        history_,
        [&](const MetricsEvent& event) {
          add(event);
          write_waiting();
        },
        is_restart(first.name) ? &first : nullptr);
  write_waiting();
}

// A TensorBoard that is looking on reads its file to the end, then the next one by name. Were the
// file removed under it, it would not come to the next; so that goes at the start after this one.
void TensorboardMetrics::empty_older() const {
  std::vector<fs::path> old;
  std::error_code error;
  for (fs::directory_iterator entry(folder_, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (entry->path() != path_ && name.starts_with("events.out.tfevents.") && name.ends_with(kOurs))
      old.push_back(entry->path());
  }
  for (const fs::path& path : old) {
    if (fs::file_size(path, error) == 0)
      remove_tree(path);
    else
      OutputFile(path, OutputFile::kAppend).truncate(0);
  }
}

void TensorboardMetrics::add(const MetricsEvent& event) {
  const std::int64_t step = std::max<std::int64_t>(event.iter, 0);
  const std::vector<Entry> entries(event.values.begin(), event.values.end());
  Protobuf values;
  const auto is_new = [&](const std::string& tag) {
    const auto [place, inserted] = last_steps_.try_emplace(tag, step);
    return inserted || std::exchange(place->second, std::max(place->second, step)) < step;
  };
  for (const auto& [name, value] : named_numbers(event.name, entries))
    if (is_new(name)) values.message(1, scalar_value(name, value));
  const std::string text = event_text(event.name, entries);
  const std::string tag = text_tag(event);
  if (!text.empty() && is_new(tag)) values.message(1, text_value(tag, as_code(text)));
  if (!values.str().empty()) put(event_at(event.time, step).message(5, values).str());
}

void TensorboardMetrics::put(const std::string& message) {
  constexpr std::size_t kMost = std::size_t{1} << 20;
  waiting_.push_back(record_of(message));
  waiting_bytes_ += waiting_.back().size();
  while (waiting_bytes_ > kMost && waiting_.size() > 1) {
    waiting_bytes_ -= waiting_.front().size();
    waiting_.pop_front();
  }
}

// A record is in the file whole or not at all: readers give up at one that is torn. Where half of
// one cannot be removed, the next ones go to a file of their own.
void TensorboardMetrics::write_waiting() {
  if (!file_) make_file();
  while (!waiting_.empty()) {
    const std::uint64_t before = file_->size();
    try {
      file_->write(waiting_.front());
    } catch (const IoError&) {
      try {
        file_->truncate(before);
      } catch (const IoError&) {
        file_.reset();
      }
      throw;
    }
    waiting_bytes_ -= waiting_.front().size();
    waiting_.pop_front();
  }
}

}  // namespace gpt
