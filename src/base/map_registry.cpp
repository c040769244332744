#include "map_registry.h"

#include <csignal>
#include <cstdint>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"

namespace gpt {

// A list under a spin lock, because a signal handler takes it too. It cannot wait for itself: who
// holds the lock reads no mapped page.
struct MapList {
  std::atomic_flag taken = ATOMIC_FLAG_INIT;
  MapRecord* first = nullptr;

  void lock() {
    while (taken.test_and_set(std::memory_order_acquire)) {
    }
  }
  void unlock() { taken.clear(std::memory_order_release); }

  void add(MapRecord& record) {
    const std::scoped_lock hold(*this);
    record.next_ = first;
    record.link_ = &first;
    if (first) first->link_ = &record.next_;
    first = &record;
  }
  void remove(MapRecord& record) {
    const std::scoped_lock hold(*this);
    *record.link_ = record.next_;
    if (record.next_) record.next_->link_ = record.link_;
  }
  MapRecord* find(const void* address) {
    const auto* at = static_cast<const std::byte*>(address);
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::scoped_lock hold(*this);
    for (MapRecord* record = first; record; record = record->next_) {
      const std::size_t mapped = (record->bytes_.size() + page - 1) / page * page;
      if (at >= record->bytes_.data() && at < record->bytes_.data() + mapped) return record;
    }
    return nullptr;
  }
  static bool put_zeros(MapRecord& record, const void* address);
  static bool holds(const MapRecord& record, std::span<const std::byte> bytes) {
    return bytes.data() >= record.bytes_.data() &&
           bytes.data() + bytes.size() <= record.bytes_.data() + record.bytes_.size();
  }
};

namespace {

MapList& maps() {
  static MapList list;
  return list;
}

struct sigaction action_before;

// Only what is safe in a handler: system calls and lock-free atomics.
void on_bus_error(int signal, siginfo_t* info, void*) {
  MapRecord* record = maps().find(info->si_addr);
  if (record && MapList::put_zeros(*record, info->si_addr)) return;  // the read continues there
  sigaction(signal, &action_before, nullptr);  // not ours: it comes again, as it would have been
}

void install_handler() {
  static std::once_flag once;
  std::call_once(once, [] {
    maps();
    struct sigaction action = {};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &action_before);
  });
}

}  // namespace

// From the page on: where a file was cut, what follows is gone as well.
bool MapList::put_zeros(MapRecord& record, const void* address) {
  record.damaged_ = true;
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(address) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(record.bytes_.data()) + record.bytes_.size();
  return mmap(reinterpret_cast<void*>(begin), end - begin, PROT_READ,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
}

MapRecord::MapRecord(const std::filesystem::path& path, const struct stat& facts,
                     std::span<const std::byte> bytes)
    : path_(path), facts_(facts), bytes_(bytes) {
  install_handler();
  maps().add(*this);
}

MapRecord::~MapRecord() {
  maps().remove(*this);
}

void MapRecord::check_unchanged() const {
  struct stat now {};
  // Another file under the name is no change: what is mapped stays as it is without one.
  const bool same =
      stat(path_.c_str(), &now) == 0 && now.st_dev == facts_.st_dev && now.st_ino == facts_.st_ino;
  if (same && now.st_size < facts_.st_size)
    throw InputError(concat(path_.string(), ": was cut from ", facts_.st_size, " to ", now.st_size,
                            " bytes while it was read; make or copy it again, and leave it as it "
                            "is while a command reads it"));
  if (damaged_)
    throw InputError(concat(path_.string(),
                            ": a part of it could not be read: it was cut while it was read, or "
                            "its disk fails; make or copy it again"));
  const bool written =
      same && (now.st_size != facts_.st_size || now.st_mtim.tv_sec != facts_.st_mtim.tv_sec ||
               now.st_mtim.tv_nsec != facts_.st_mtim.tv_nsec);
  if (written && !told_.exchange(true))
    log_warning(path_.string() +
                ": was written to while it is read; what is read from here on may be other data");
}

void check_mapped(std::span<const std::byte> bytes) {
  const MapRecord* record = maps().find(bytes.data());
  if (record && MapList::holds(*record, bytes)) record->check_unchanged();
}

}  // namespace gpt
