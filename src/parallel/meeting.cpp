#include "meeting.h"

#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <optional>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// A note in the folder for temporary files that says at which port rank 0 listens. Processes of a
// launcher without an address have it in common that they are on this machine.
class PortNote {
 public:
  explicit PortNote(const std::string& job) {
    std::string name = concat("gpttrain-", getuid(), "-");
    for (const char c : job) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
    path_ = fs::temp_directory_path() / (name + ".port");
  }

  // Appears whole, under its name.
  void write(int port) const {
    const std::string text = concat(port, "\n");
    const fs::path fresh = concat(path_.string(), ".", getpid());
    ::unlink(fresh.c_str());
    const int file = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) throw IoError(fresh.string(), "create", errno);
    const bool written =
        ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    const int error = errno;
    ::close(file);
    if (!written) throw IoError(fresh.string(), "write", error);
    if (::rename(fresh.c_str(), path_.c_str()) != 0) throw IoError(path_.string(), "rename", errno);
  }

  void remove() const { ::unlink(path_.c_str()); }

  // Only one of this user's own counts: the folder is everybody's.
  std::optional<int> read() const {
    const int file = ::open(path_.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0) return std::nullopt;
    struct stat facts = {};
    char text[16] = {};
    const bool ours = ::fstat(file, &facts) == 0 && facts.st_uid == getuid();
    const ssize_t length = ours ? ::read(file, text, sizeof text) : 0;
    ::close(file);
    int port = 0;
    const auto [stop, error] = std::from_chars(text, text + std::max<ssize_t>(length, 0), port);
    if (error != std::errc() || *stop != '\n') return std::nullopt;
    return port;
  }

  int wait(Clock::time_point deadline, const LaunchInfo& info) const {
    while (true) {
      if (const auto port = read()) return *port;
      if (Clock::now() > deadline) throw LostMeeting(info);
      std::this_thread::sleep_for(milliseconds(20));
    }
  }

  static Error LostMeeting(const LaunchInfo& info) {
    return Error(concat("rank ", info.rank, " of ", info.size, ": rank 0, started by ",
                        info.launcher,
                        " on this machine, has not begun to listen; is it still there? Across "
                        "machines set MASTER_ADDR and MASTER_PORT"));
  }

 private:
  fs::path path_;
};

c10::intrusive_ptr<c10d::TCPStore> connect(const std::string& address, int port, bool serves,
                                           milliseconds timeout) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<std::uint16_t>(port);
  options.isServer = serves;
  options.waitWorkers = false;
  options.timeout = timeout;
  return c10::make_intrusive<c10d::TCPStore>(address, options);
}

std::string first_line(const std::exception& error) {
  const auto* torch = dynamic_cast<const c10::Error*>(&error);
  const std::string text = torch ? torch->what_without_backtrace() : error.what();
  return text.substr(0, text.find('\n'));
}

c10::intrusive_ptr<c10d::TCPStore> open_store(const LaunchInfo& info, milliseconds timeout,
                                              std::optional<PortNote>& note) {
  const bool serves = info.rank == 0 && !info.store_is_served;
  if (!info.address.empty()) return connect(info.address, info.port, serves, timeout);
  note.emplace(info.job);
  const char* loopback = "127.0.0.1";
  if (!serves) return connect(loopback, note->wait(Clock::now() + timeout, info), false, timeout);
  auto store = connect(loopback, 0, true, timeout);
  note->write(store->getPort());
  return store;
}

}  // namespace

Meeting meet(const LaunchInfo& info, milliseconds timeout) {
  std::optional<PortNote> note;
  const auto where = [&] {
    return info.address.empty() ? std::string("this machine")
                                : concat(info.address, ":", info.port);
  };
  try {
    auto tcp = open_store(info, timeout, note);
    const std::string prefix = "gpttrain/" + info.attempt;
    auto store = c10::make_intrusive<c10d::PrefixStore>(prefix, tcp);
    store->setTimeout(timeout);
    // All are here before the note goes: a later run of the same launcher would take it for its
    // own.
    const std::int64_t here = store->add("here", 1);
    if (here == info.size) store->set("all", std::string("1"));
    store->wait({"all"}, timeout);
    if (note && info.rank == 0) note->remove();
    return {.store = store, .alive = c10::make_intrusive<c10d::PrefixStore>(prefix, tcp->clone())};
  } catch (const Error&) {
    if (note && info.rank == 0) note->remove();
    throw;
  } catch (const std::exception& error) {
    if (note && info.rank == 0) note->remove();
    throw Error(concat("rank ", info.rank, " of ", info.size, " (", info.launcher,
                       "): the processes did not meet at ", where(), " within ",
                       human_seconds(static_cast<double>(timeout.count()) / 1000),
                       " (dist_timeout): ", first_line(error),
                       "; are all of them started, with the same MASTER_ADDR and MASTER_PORT, and "
                       "is the port free and reachable from each machine?"));
  }
}

}  // namespace gpt
