#include "gpt/base/temporary_name.h"

#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <fstream>
#include <span>
#include <string_view>
#include <unistd.h>
#include <vector>

#include "gpt/base/checksum.h"
#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/log.h"
#include "gpt/base/process_facts.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

struct KindName {
  TemporaryKind kind;
  std::string_view infix;
};
constexpr KindName kTemporaryKinds[] = {{TemporaryKind::kFresh, ".tmp-"},
                                        {TemporaryKind::kOld, ".old-"},
                                        {TemporaryKind::kTrash, ".trash-"}};
constexpr std::size_t kMachineDigits = 8;
constexpr std::chrono::hours kUntouched{1};  // no write of ours pauses as long

// Process ids mean something within one boot of one kernel and one process namespace of it.
const std::string& this_machine() {
  static const std::string name = [] {
    std::string facts;
    std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), facts);
    std::error_code unknown;
    facts += fs::read_symlink("/proc/self/ns/pid", unknown).string();
    char host[256] = {};
    if (gethostname(host, sizeof host - 1) == 0) facts += host;
    return hex32(crc32c(std::as_bytes(std::span(facts))));
  }();
  return name;
}

std::uint64_t own_start() {
  const auto facts = process_facts(getpid());
  return facts ? facts->start : 0;
}

TemporaryOwner owner_of(long process, std::uint64_t start) {
  if (process == getpid() && start == own_start()) return TemporaryOwner::kThisProcess;
  if (const auto facts = process_facts(process)) {
    const bool another = start != 0 && facts->start != 0 && facts->start != start;
    return facts->ended || another ? TemporaryOwner::kGone : TemporaryOwner::kAlive;
  }
  const bool gone = kill(static_cast<pid_t>(process), 0) != 0 && errno == ESRCH;
  return gone ? TemporaryOwner::kGone : TemporaryOwner::kAlive;
}

// A whole decimal number as std::to_string writes it.
template <class Number>
bool read_number(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && text == std::to_string(value);
}

// The four parts of MACHINE-PROCESS-START-COUNT; none if it is anything else.
std::vector<std::string_view> parts_of(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t to = std::min(text.find('-', from), text.size());
    parts.push_back(text.substr(from, to - from));
    from = to + 1;
  }
  const bool machine = parts[0].size() == kMachineDigits &&
                       parts[0].find_first_not_of("0123456789abcdef") == std::string_view::npos;
  return machine && parts.size() == 4 ? parts : std::vector<std::string_view>();
}

bool untouched_for_long(const fs::path& path) {
  std::error_code error;
  fs::file_time_type newest = fs::last_write_time(path, error);
  if (error) return false;
  // What is written within a folder does not touch the folder.
  for (fs::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code gone;
    const auto time = fs::last_write_time(entry->path(), gone);
    if (!gone) newest = std::max(newest, time);
  }
  return fs::file_time_type::clock::now() - newest > kUntouched;
}

}  // namespace

fs::path temporary_beside(const fs::path& path, TemporaryKind kind) {
  static std::atomic<std::uint64_t> count{0};
  std::string_view infix;
  for (const KindName& known : kTemporaryKinds)
    if (known.kind == kind) infix = known.infix;
  for (;;) {
    const fs::path name =
        concat(path.string(), infix, this_machine(), "-", getpid(), "-", own_start(), "-", ++count);
    if (!present(name)) return name;
  }
}

std::optional<TemporaryName> parse_temporary(const std::string& file_name) {
  for (const auto& [kind, infix] : kTemporaryKinds) {
    const auto at = file_name.rfind(infix);
    if (at == std::string::npos || at == 0) continue;
    const auto parts = parts_of(std::string_view(file_name).substr(at + infix.size()));
    int process = 0;
    std::uint64_t start = 0, count = 0;
    if (parts.empty() || !read_number(parts[1], process) || !read_number(parts[2], start) ||
        !read_number(parts[3], count) || process <= 0)
      continue;
    const bool here = parts[0] == this_machine();
    return TemporaryName{.stem = file_name.substr(0, at),
                         .kind = kind,
                         .owner = here ? owner_of(process, start) : TemporaryOwner::kElsewhere};
  }
  return std::nullopt;
}

bool is_abandoned(const fs::path& path, const TemporaryName& name) {
  if (name.owner == TemporaryOwner::kElsewhere) return untouched_for_long(path);
  return name.owner == TemporaryOwner::kGone;
}

void remove_or_warn(const fs::path& path) {
  try {
    remove_tree(path);
  } catch (const IoError& error) {
    log_warning(std::string(error.what()) + "; it can be removed by hand");
  }
}

void remove_abandoned(const fs::path& folder, const std::string& stem) {
  std::error_code error;
  std::vector<fs::path> found;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const auto name = parse_temporary(entry->path().filename().string());
    if (name && name->kind != TemporaryKind::kOld && (stem.empty() || stem == name->stem) &&
        is_abandoned(entry->path(), *name))
      found.push_back(entry->path());
  }
  for (const fs::path& path : found) remove_or_warn(path);
}

}  // namespace gpt
