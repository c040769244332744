#include "gpt/metrics/csv.h"

#include <charconv>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/temporary_name.h"
#include "gpt/metrics/history.h"

namespace gpt {

namespace {

// RFC 4180. A text that a spreadsheet would take for a formula gets an apostrophe.
std::string cell_of(std::string text) {
  if (!text.empty() && std::string_view("=+-@").find(text[0]) != std::string_view::npos)
    text.insert(0, 1, '\'');
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string cell = "\"";
  for (const char c : text) cell += c == '"' ? std::string("\"\"") : std::string(1, c);
  return cell + "\"";
}

// The shortest digits that are this number; an empty cell for one that is not finite.
std::string cell_of(double value) {
  if (!std::isfinite(value)) return "";
  char text[40];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

std::string cell_of(const MetricsSink::Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return cell_of(*text);
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return std::to_string(*whole);
  return cell_of(std::get<double>(value));
}

std::map<std::string, std::size_t> columns_of(const fs::path& file, std::string& header) {
  constexpr std::size_t kMost = 10000;
  std::map<std::string, std::size_t> columns;
  header = "event,time,iter";
  read_history(file, [&](const MetricsEvent& event) {
    if (event.iter < 0) return;
    for (const auto& [key, value] : event.values)
      if (columns.size() < kMost && columns.emplace(key, columns.size()).second)
        header += "," + cell_of(key);
  });
  return columns;
}

}  // namespace

std::int64_t write_csv(const fs::path& metrics_jsonl, const fs::path& to) {
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  std::string text;
  const auto columns = columns_of(metrics_jsonl, text);
  const fs::path fresh = temporary_beside(to);
  std::int64_t rows = 0;
  try {
    OutputFile file(fresh);
    text += "\n";
    read_history(metrics_jsonl, [&](const MetricsEvent& event) {
      if (event.iter < 0) return;
      std::vector<std::string> cells(columns.size());
      for (const auto& [key, value] : event.values)
        if (const auto found = columns.find(key); found != columns.end())
          cells[found->second] = cell_of(value);
      text += cell_of(event.name) + "," + cell_of(event.time) + "," + std::to_string(event.iter);
      for (const std::string& cell : cells) text += "," + cell;
      text += "\n";
      ++rows;
      if (text.size() < kPiece) return;
      file.write(text);
      text.clear();
    });
    file.write(text);
    file.close();
    rename_path(fresh, to);
  } catch (const Error&) {
    remove_or_warn(fresh);
    throw;
  }
  return rows;
}

}  // namespace gpt
