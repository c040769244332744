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

// Cuts off half a line at the end of a file. Where only the newline is missing, the line stays.
void mend_end(const std::filesystem::path& path) {
  OutputFile file(path, OutputFile::kAppend);
  try {
    const std::uint64_t size = file.size();
    const std::string line = last_line(path, size);
    if (line.empty() || nlohmann::json::accept(line)) return;
    file.truncate(size - line.size());
    log_warning(concat(path.string(), ": its last line was cut short, by a full disk or a killed ",
                       "process; its ", line.size(), " bytes were removed"));
  } catch (const IoError& error) {
    log_warning(error.what());
  }
}

}  // namespace

JsonlMetrics::JsonlMetrics(const std::filesystem::path& file) {
  open(file);
}

JsonlMetrics::~JsonlMetrics() {
  const std::int64_t lines = lines_.waiting() + lines_.take_lost();
  if (lines > 0)
    log_warning(concat(lines_.path().string(), ": ", lines, " lines could not be written"));
}

void JsonlMetrics::open(const std::filesystem::path& file) {
  mend_end(file);
  attempt([&] { lines_.open(file); });
}

// Lines that cannot be written cost a warning, and that they can be again is said, too.
template <class Work>
void JsonlMetrics::attempt(const Work& work) {
  const bool failed = lines_.failing();
  try {
    work();
  } catch (const IoError& error) {
    if (!lines_.failing()) throw;
    log_warning(std::string(error.what()) + "; training continues, metrics are written later");
  }
  if (!failed || lines_.failing()) return;
  const std::int64_t lost = lines_.take_lost();
  log_info(concat(lines_.path().string(), ": metrics are written again; ",
                  lost > 0 ? concat(lost, " lines were lost") : "no line was lost"));
}

void JsonlMetrics::write(std::string_view event, const std::vector<Entry>& entries) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  nlohmann::ordered_json line;
  line["event"] = event;
  line["time"] =
      static_cast<double>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count()) / 1e3;
  for (const auto& [key, value] : entries)
    std::visit([&, name = key](const auto& v) { line[std::string(name)] = v; }, value);
  attempt(
      [&] { lines_.write(line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)); });
}

}  // namespace gpt
