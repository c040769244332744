// Files, one after the other, as one text of code points.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "gpt/corpus/source_files.h"

namespace gpt {

// Decodes UTF-8 (errors become U+FFFD) with universal newlines, as Python's open() does; each file
// by itself. Holds one chunk of 1 MiB in memory.
class SourceText {
 public:
  // A piece of the text and the file that it is from.
  using Take = std::function<void(std::u32string_view piece, const std::filesystem::path& file)>;

  explicit SourceText(SourceFiles sources) : sources_(std::move(sources)) {}

  // Gives the whole text to `take`, under a progress line called `title`. May be called again:
  // Error if a file is no longer what it was the first time. InputError if one cannot be read.
  void read(const std::string& title, const Take& take);

  const SourceFiles& sources() const { return sources_; }
  std::int64_t invalid_utf8() const { return invalid_utf8_; }  // of the last read

  // The error of a file that changed between two reads.
  [[noreturn]] static void changed(const std::filesystem::path& file);

 private:
  struct Fingerprint {
    std::uint64_t bytes = 0;
    std::uint32_t crc32c = 0;
    bool operator==(const Fingerprint&) const = default;
  };

  SourceFiles sources_;
  std::vector<Fingerprint> first_read_;  // of each file
  std::int64_t invalid_utf8_ = 0;
};

}  // namespace gpt
