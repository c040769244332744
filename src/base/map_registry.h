// The memory maps of this process. A page that cannot be read any more (its file was cut, its disk
// fails) is a SIGBUS; here it becomes a page of zeros and a mark, which readers look at afterwards.
#pragma once

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <span>
#include <sys/stat.h>

namespace gpt {

// One mapped file as it was when it was opened, known to the handler while it lives.
class MapRecord {
 public:
  MapRecord(const std::filesystem::path& path, const struct stat& facts,
            std::span<const std::byte> bytes);
  ~MapRecord();
  MapRecord(const MapRecord&) = delete;
  MapRecord& operator=(const MapRecord&) = delete;

  // See MappedFile::check_unchanged.
  void check_unchanged() const;

 private:
  friend struct MapList;

  const std::filesystem::path path_;
  const struct stat facts_;
  const std::span<const std::byte> bytes_;
  std::atomic<bool> damaged_ = false;       // zeros were put in place of pages
  mutable std::atomic<bool> told_ = false;  // of a change that takes nothing away
  MapRecord* next_ = nullptr;
  MapRecord** link_ = nullptr;  // what points here
};

}  // namespace gpt
