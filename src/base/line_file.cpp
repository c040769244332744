#include "gpt/base/line_file.h"

#include <algorithm>
#include <utility>

#include "gpt/base/error.h"
#include "gpt/base/input_file.h"

namespace gpt {

namespace {

bool ends_within_a_line(const fs::path& path, std::uint64_t size) {
  if (size == 0) return false;
  InputFile file(path);
  file.seek(size - 1);
  char last = '\n';
  return file.read(&last, 1) == 1 && last != '\n';
}

}  // namespace

void LineFile::open(const fs::path& path) {
  path_ = path;
  file_.reset();
  failing_ = false;
  file_.emplace(path, OutputFile::kAppend);
  // One that cannot be read (a device) is appended to all the same.
  try {
    torn_ = ends_within_a_line(path, file_->size());
  } catch (const InputError&) {
    torn_ = false;
  }
  if (!waiting_.empty()) write_waiting();
}

void LineFile::write(std::string_view line) {
  wait(line);
  if (file_) write_waiting();
}

void LineFile::write_waiting() {
  try {
    append_waiting();
    failing_ = false;
  } catch (const IoError&) {
    if (!std::exchange(failing_, true)) throw;
  }
}

std::int64_t LineFile::take_lost() {
  return std::exchange(lost_, 0);
}

std::int64_t LineFile::waiting() const {
  return std::count(waiting_.begin(), waiting_.end(), '\n');
}

void LineFile::wait(std::string_view line) {
  constexpr std::size_t kMost = std::size_t{1} << 20;
  while (!waiting_.empty() && waiting_.size() + line.size() >= kMost) {
    waiting_.erase(0, waiting_.find('\n') + 1);
    ++lost_;
  }
  waiting_.append(line).append("\n");
}

// All of them or, where that fails, none.
void LineFile::append_waiting() {
  const std::uint64_t before = file_->size();
  try {
    file_->write((torn_ ? "\n" : "") + waiting_);
  } catch (const IoError&) {
    try {
      file_->truncate(before);
    } catch (const IoError&) {
      torn_ = true;  // the next write ends the half line first
    }
    throw;
  }
  torn_ = false;
  waiting_.clear();
}

}  // namespace gpt
