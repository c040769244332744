#include "gpt/metrics/jsonl.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>

#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

// What follows the last newline of the first `size` bytes.
std::string last_line(const std::filesystem::path& path, std::uint64_t size) {
  constexpr std::uint64_t kPiece = 4096;
  std::ifstream file(path, std::ios::binary);
  std::string line;
  for (std::uint64_t begin = size; begin > 0;) {
    const std::uint64_t length = std::min(kPiece, begin);
    std::string piece(length, '\0');
    begin -= length;
    if (!file.seekg(static_cast<std::streamoff>(begin))
             .read(piece.data(), static_cast<std::streamsize>(length)))
      return line;
    const auto newline = piece.rfind('\n');
    line.insert(0, piece, newline == std::string::npos ? 0 : newline + 1);
    if (newline != std::string::npos) break;
  }
  return line;
}

}  // namespace

JsonlMetrics::JsonlMetrics(const std::filesystem::path& file) {
  open(file);
}

JsonlMetrics::~JsonlMetrics() {
  const auto lines = std::count(waiting_.begin(), waiting_.end(), '\n') + lost_;
  if (lines > 0) log_warning(concat(path_.string(), ": ", lines, " lines could not be written"));
}

void JsonlMetrics::open(const std::filesystem::path& file) {
  path_ = file;
  file_.emplace(path_, OutputFile::kAppend);
  torn_ = false;
  mend_end();
}

// Only a newline may be missing: such a line is kept.
void JsonlMetrics::mend_end() {
  try {
    const std::uint64_t size = file_->size();
    const std::string line = last_line(path_, size);
    if (line.empty()) return;
    torn_ = true;
    if (nlohmann::json::accept(line)) return;
    file_->truncate(size - line.size());
    torn_ = false;
    log_warning(concat(path_.string(), ": its last line was cut short, by a full disk or a killed ",
                       "process; its ", line.size(), " bytes were removed"));
  } catch (const IoError& error) {
    log_warning(error.what());
  }
}

void JsonlMetrics::write(std::string_view event, const std::vector<Entry>& entries) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  nlohmann::ordered_json line;
  line["event"] = event;
  line["time"] =
      static_cast<double>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count()) / 1e3;
  for (const auto& [key, value] : entries)
    std::visit([&, name = key](const auto& v) { line[std::string(name)] = v; }, value);
  keep_for_later(line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  if (!file_) return;
  try {
    append(waiting_);
    waiting_.clear();
  } catch (const IoError& error) {
    if (failures_++ == 0)
      log_warning(std::string(error.what()) + "; training continues, metrics are written later");
    return;
  }
  if (failures_ > 0)
    log_info(concat(path_.string(), ": metrics are written again; ",
                    lost_ > 0 ? concat(lost_, " lines were lost") : "no line was lost"));
  failures_ = lost_ = 0;
}

void JsonlMetrics::keep_for_later(std::string line) {
  constexpr std::size_t kMost = std::size_t{1} << 20;
  while (!waiting_.empty() && waiting_.size() + line.size() > kMost) {
    waiting_.erase(0, waiting_.find('\n') + 1);
    ++lost_;
  }
  waiting_ += std::move(line);
}

// All of them or, where that fails, none.
void JsonlMetrics::append(const std::string& lines) {
  const std::uint64_t before = file_->size();
  try {
    file_->write((torn_ ? "\n" : "") + lines);
    torn_ = false;
  } catch (const IoError&) {
    try {
      file_->truncate(before);
    } catch (const IoError&) {
      torn_ = true;  // the next write ends the half line first
    }
    throw;
  }
}

}  // namespace gpt
