// What was found among the inputs and is no text: counted, and named.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace gpt {

enum class NoText {
  kHidden,
  kEmpty,
  kBinary,
  kStandIn,  // a Git LFS pointer, an RTF document
  kJsonObject,
  kUnreadable,
  kBrokenLink,
  kSameFile,  // a link to what is there already
  kNoFile,    // a pipe, a socket, a device
  kArchive    // in an archive
};

class LeftOut {
 public:
  void add(NoText reason, const std::string& name);
  std::int64_t count(NoText reason) const;
  std::int64_t total() const;
  bool empty() const { return total() == 0; }

  // "3 hidden (.git, .DS_Store and 1 more), 1 empty (a.txt)"
  std::string text() const;

 private:
  struct Files {
    std::int64_t count = 0;
    std::vector<std::string> first;  // names
  };
  std::map<NoText, Files> files_;
};

}  // namespace gpt
