#include "wandb_file.h"

#include <cmath>
#include <ctime>
#include <span>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "gpt/base/checksum.h"
#include "gpt/base/json.h"
#include "gpt/base/log.h"
#include "gpt/base/sha256.h"
#include "gpt/base/strings.h"
#include "gpt/base/version.h"

namespace gpt {

namespace {

// LevelDB's log: blocks of chunks, each with a checksum, a length and a kind.
constexpr std::size_t kBlock = 32768, kChunkHead = 7;
enum ChunkKind : unsigned char { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

void append_bytes(std::string& to, std::uint64_t value, int size) {
  for (int i = 0; i < size; ++i) to += static_cast<char>(value >> 8 * i);
}

// As Python's json writes it.
std::string json_number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  if (value == std::floor(value) && std::abs(value) < 1e15) return format("%.0f", value);
  return nlohmann::json(value).dump();
}

// A key with a value in JSON: ConfigItem, HistoryItem and SummaryItem are alike.
Protobuf item_of(const std::string& key, const std::string& json) {
  return Protobuf().bytes(1, key).bytes(16, json);
}

constexpr const char* kSamples = "samples";

// The members of one value, which is an object.
void append_items(Protobuf& to, const std::string& key,
                  const std::map<std::string, std::string>& members) {
  for (const auto& [member, json] : members)
    to.message(1, Protobuf().bytes(2, key).bytes(2, member).bytes(16, json));
}

double unix_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string dated_name(const std::string& id) {
  char when[32];
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  std::strftime(when, sizeof when, "%Y%m%d_%H%M%S", localtime_r(&now, &local));
  return concat("offline-run-", when, "-", id);
}

Protobuf run_of(const std::string& id, const WandbRun& run) {
  Protobuf config;
  const nlohmann::json options = try_parse_json(run.config);
  if (options.is_object())
    for (const auto& [key, value] : options.items()) config.message(1, item_of(key, value.dump()));
  char host[256] = {};
  gethostname(host, sizeof host - 1);
  const double now = unix_time();
  const auto seconds = static_cast<std::int64_t>(now);
  const Protobuf start = Protobuf()
                             .integer(1, seconds)
                             .integer(2, static_cast<std::int64_t>((now - std::floor(now)) * 1e9));
  return Protobuf()
      .bytes(1, id)
      .bytes(3, run.project)
      .message(4, config)
      .bytes(8, run.name)
      .bytes(13, host)
      .message(17, start);
}

}  // namespace

WandbFile::WandbFile(const fs::path& folder, const std::string& id, const WandbRun& run)
    : id_(id), begun_(std::chrono::steady_clock::now()) {
  const fs::path place = folder / dated_name(id);
  make_directories(place / "files");
  make_directories(place / "logs");
  path_ = place / concat("run-", id, ".wandb");
  file_.emplace(path_);
  std::string head = ":W&B";
  append_bytes(head, 0xBEE1, 2);
  append_bytes(head, 0, 1);
  file_->write(head);
  block_at_ = head.size();
  const Protobuf version =
      Protobuf().bytes(1, "gpttrain " + gpt::version()).bytes(2, "0.70.0");  // who may read it
  write_record(Protobuf().message(21, Protobuf().message(1, version)));
  write_record(Protobuf().message(17, run_of(id_, run)));
}

// The package's type for a page: a file beside the record, which is to be uploaded, and in the
// history what it is.
void WandbFile::add_samples(std::int64_t step, const std::string& page) {
  const std::string sum = sha256(page);
  const fs::path files = path_.parent_path() / "files", folder = fs::path("media") / "html",
                 name = folder / concat("samples_", step, "_", sum.substr(0, 20), ".html");
  make_directories(files / folder);
  OutputFile file(files / name);
  file.write(page);
  file.close();
  samples_ = {{"_type", R"("html-file")"},
              {"path", nlohmann::json(name.string()).dump()},
              {"sha256", concat('"', sum, '"')},
              {"size", std::to_string(page.size())}};
  write_record(Protobuf().message(6, Protobuf().message(1, Protobuf().bytes(1, name.string()))));
}

void WandbFile::log(std::int64_t step, double seconds_since_1970, const Values& values,
                    const std::string& samples) {
  if (!samples.empty()) add_samples(step, samples);
  std::map<std::string, std::string> texts;
  for (const auto& [key, value] : values) texts[key] = json_number(value);
  const auto run_time =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count();
  texts["_step"] = std::to_string(step);
  texts["_timestamp"] = format("%.6f", seconds_since_1970);
  texts["_runtime"] = format("%.6f", run_time);
  Protobuf history;
  for (const auto& [key, text] : texts) history.message(1, item_of(key, text));
  if (!samples.empty()) append_items(history, kSamples, samples_);
  history.message(2, Protobuf().integer(1, step));
  write_record(Protobuf().message(2, history));
  for (const auto& [key, text] : texts) summary_[key] = text;
}

void WandbFile::finish(int exit_code) {
  Protobuf summary;
  for (const auto& [key, text] : summary_) summary.message(1, item_of(key, text));
  append_items(summary, kSamples, samples_);
  write_record(Protobuf().message(3, summary));
  const auto run_time =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - begun_)
          .count();
  write_record(Protobuf().message(18, Protobuf().integer(1, exit_code).integer(2, run_time)));
  log_info(concat("W&B: `wandb sync ", path_.parent_path().string(), "` uploads the run"));
}

void WandbFile::write_record(Protobuf record) {
  record.integer(1, ++records_).message(200, Protobuf().bytes(1, id_));
  write_chunks(record.str());
}

void WandbFile::write_chunks(const std::string& data) {
  std::string text;
  for (std::size_t from = 0; from < data.size() || from == 0;) {
    if (kBlock - block_at_ < kChunkHead) {
      text.append(kBlock - block_at_, '\0');
      block_at_ = 0;
    }
    const std::size_t length = std::min(data.size() - from, kBlock - block_at_ - kChunkHead);
    const bool first = from == 0, last = from + length == data.size();
    std::string chunk(1, static_cast<char>(first  ? (last ? kFull : kFirst)
                                           : last ? kLast
                                                  : kMiddle));
    chunk.append(data, from, length);
    append_bytes(text, crc32(std::as_bytes(std::span(chunk))), 4);
    append_bytes(text, length, 2);
    text += chunk;
    block_at_ += kChunkHead + length;
    from += length;
    if (last) break;
  }
  file_->write(text);
}

}  // namespace gpt
