#include "gpt/dataprep/left_out.h"

#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"

namespace gpt {

namespace {

constexpr std::size_t kNamed = 3;

std::string_view words_for(NoText reason) {
  switch (reason) {
    case NoText::kHidden:
      return "hidden";
    case NoText::kEmpty:
      return "empty";
    case NoText::kBinary:
      return "binary";
    case NoText::kStandIn:
      return "that stand for other files";
    case NoText::kJsonObject:
      return "JSON that is no rows";
    case NoText::kUnreadable:
      return "unreadable";
    case NoText::kBrokenLink:
      return "broken links";
    case NoText::kSameFile:
      return "links to what is there already";
    case NoText::kNoFile:
      return "pipes or devices";
    case NoText::kArchive:
      return "archives within the archive";
  }
  return "";
}

}  // namespace

void LeftOut::add(NoText reason, const std::string& name) {
  Files& files = files_[reason];
  ++files.count;
  if (files.first.size() < kNamed) files.first.push_back(quoted_name(name));
}

std::int64_t LeftOut::count(NoText reason) const {
  const auto found = files_.find(reason);
  return found == files_.end() ? 0 : found->second.count;
}

std::int64_t LeftOut::total() const {
  std::int64_t total = 0;
  for (const auto& [reason, files] : files_) total += files.count;
  return total;
}

std::string LeftOut::text() const {
  std::vector<std::string> parts;
  for (const auto& [reason, files] : files_) {
    const std::int64_t more = files.count - static_cast<std::int64_t>(files.first.size());
    parts.push_back(concat(files.count, " ", words_for(reason), " (", join(files.first, ", "),
                           more > 0 ? concat(" and ", more, " more") : std::string(), ")"));
  }
  return join(parts, ", ");
}

}  // namespace gpt
