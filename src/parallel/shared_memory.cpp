#include "shared_memory.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <linux/futex.h>
#include <random>
#include <sstream>
#include <stdexcept>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xmmintrin.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <climits>

#include "gpt/base/error.h"
#include "gpt/base/process_facts.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kLine = 64;                         // of the cache
constexpr std::size_t kSlotBytes = std::size_t{1} << 20;  // stays in a core's cache
constexpr auto kDeathInterval = 20ms;                     // how soon a death is noticed

using Word = std::atomic<std::uint32_t>;
static_assert(Word::is_always_lock_free && sizeof(Word) == 4, "a futex is a word of the memory");

// Not the private variants: the waiting processes are others.
void sleep_while(Word& word, std::uint32_t value, std::chrono::nanoseconds most) {
  const timespec time{.tv_sec = 0, .tv_nsec = most.count()};
  ::syscall(SYS_futex, &word, FUTEX_WAIT, value, &time, nullptr, 0);
}

void wake_all(Word& word) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

std::uint64_t random_number() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

}  // namespace

// What a process says of itself.
struct alignas(kLine) SharedMemory::Process {
  Word turn;      // of the last wait that it has come to
  Word sleepers;  // who wait for that to change
  Word left;      // it comes to no more
  std::uint64_t start;
  std::atomic<int> id;            // 0 before it has the memory
  alignas(kLine) Facts facts[2];  // by the parity of the turn
};

struct SharedMemory::Layout {
  explicit Layout(int size)
      : processes(kLine), slots(processes + static_cast<std::size_t>(size) * sizeof(Process)) {
    slots = (slots + kSlotBytes - 1) / kSlotBytes * kSlotBytes;
    bytes = slots + 2 * static_cast<std::size_t>(size) * kSlotBytes;
  }
  std::size_t processes, slots, bytes;  // the number that identifies the memory comes first
};

void SharedMemory::Unmap::operator()(void* memory) const {
  ::munmap(memory, bytes);
}

SharedMemory::SharedMemory(const Place& place) : place_(place) {
  const char* name = "gpttrain's shared memory";
  file_ = ::memfd_create(name, MFD_CLOEXEC);
  if (file_ < 0) throw IoError(name, "create", errno);
  const std::size_t bytes = Layout(place.size).bytes;
  // Memory that is short is an error here, and not a signal at the first access.
  const int error = ::posix_fallocate(file_, 0, static_cast<off_t>(bytes));
  if (error != 0 || !map(file_)) {
    const int why = error != 0 ? error : errno;
    ::close(file_);
    throw IoError(name, concat("take ", bytes, " bytes for"), why);
  }
  const std::uint64_t number = random_number();
  *static_cast<std::uint64_t*>(memory_.get()) = number;
  address_ = concat("/proc/", ::getpid(), "/fd/", file_, " ", number);
}

SharedMemory::SharedMemory(const Place& place, const std::string& address) : place_(place) {
  std::istringstream words(address);
  std::string path;
  std::uint64_t number = 0;
  words >> path >> number;
  const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) throw IoError(path, "open", errno);
  struct stat facts = {};
  const bool mapped = ::fstat(file, &facts) == 0 &&
                      static_cast<std::size_t>(facts.st_size) == Layout(place.size).bytes &&
                      map(file);
  ::close(file);
  // Elsewhere another process may have this number.
  if (!mapped || *static_cast<const std::uint64_t*>(memory_.get()) != number)
    throw Error(concat(path, " is not the memory of this run's processes"));
}

SharedMemory::~SharedMemory() {
  forget_address();
  if (!memory_) return;
  Process& own = process(place_.rank);
  own.left = 1;
  wake_all(own.turn);
}

// False with errno.
bool SharedMemory::map(int file) {
  const std::size_t bytes = Layout(place_.size).bytes;
  void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) return false;
  memory_ = std::unique_ptr<void, Unmap>(memory, Unmap{bytes});
  Process& own = process(place_.rank);
  own.start = process_facts(::getpid()).value_or(ProcessFacts{}).start;
  own.id = ::getpid();
  return true;
}

void SharedMemory::forget_address() {
  if (file_ >= 0) ::close(file_);
  file_ = -1;
}

SharedMemory::Process& SharedMemory::process(int rank) const {
  auto* const first = static_cast<std::byte*>(memory_.get()) + Layout(place_.size).processes;
  return reinterpret_cast<Process*>(first)[rank];
}

at::Tensor SharedMemory::slot(int rank, std::uint32_t turn, const at::Tensor& like) const {
  const auto number = static_cast<std::size_t>(2 * rank) + turn % 2;
  auto* const data =
      static_cast<std::byte*>(memory_.get()) + Layout(place_.size).slots + number * kSlotBytes;
  return at::from_blob(data, {static_cast<std::int64_t>(kSlotBytes / like.element_size())},
                       like.options());
}

bool SharedMemory::has_left(int rank) const {
  const Process& other = process(rank);
  if (other.left != 0) return true;
  const int id = other.id;
  if (id == 0) return false;
  const auto facts = process_facts(id);
  return !facts || facts->ended || (other.start != 0 && facts->start != other.start);
}

void SharedMemory::wait_for(int rank) {
  Process& other = process(rank);
  const auto is_here = [&] { return static_cast<std::int32_t>(other.turn.load() - turn_) >= 0; };
  const auto start = Clock::now();
  while (!is_here()) {
    if (Clock::now() - start < place_.spin) {
      for (int i = 0; i < 32 && !is_here(); ++i) _mm_pause();
      continue;
    }
    ++other.sleepers;
    const std::uint32_t turn = other.turn;
    if (static_cast<std::int32_t>(turn - turn_) < 0) sleep_while(other.turn, turn, kDeathInterval);
    --other.sleepers;
    if (is_here()) return;
    const bool late = Clock::now() - start > place_.timeout;
    // Whoever has left may have come here before.
    if ((has_left(rank) || late) && !is_here())
      throw std::runtime_error(concat("rank ", rank, late ? " does not come" : " has left"));
  }
}

void SharedMemory::wait() {
  Process& own = process(place_.rank);
  own.turn = ++turn_;
  if (own.sleepers != 0) wake_all(own.turn);
  for (int rank = 0; rank < place_.size; ++rank)
    if (rank != place_.rank) wait_for(rank);
}

SharedMemory::Facts SharedMemory::largest(const Facts& here) {
  process(place_.rank).facts[(turn_ + 1) % 2] = here;
  wait();
  Facts most = here;
  for (int rank = 0; rank < place_.size; ++rank) {
    const Facts& there = process(rank).facts[turn_ % 2];
    for (std::size_t i = 0; i < kFacts; ++i) most[i] = std::max(most[i], there[i]);
  }
  return most;
}

// As large as a slot.
template <class Visit>
void SharedMemory::in_chunks(const at::Tensor& flat, const Visit& visit) const {
  const at::NoGradGuard no_grad;
  const std::int64_t most = static_cast<std::int64_t>(kSlotBytes / flat.element_size());
  for (std::int64_t first = 0; first < flat.numel(); first += most)
    visit(flat.narrow(0, first, std::min(most, flat.numel() - first)));
}

// Each process adds up a part of the chunk, and all copy the parts.
void SharedMemory::sum(const at::Tensor& flat) {
  if (place_.size == 1) return;  // it is the sum
  const auto bound = [&](std::int64_t count, int rank) {
    constexpr std::int64_t kGrain = 64;  // elements; whole cache lines
    return rank == place_.size ? count : count / place_.size * rank / kGrain * kGrain;
  };
  in_chunks(flat, [&](const at::Tensor& chunk) {
    const std::int64_t count = chunk.numel();
    const auto part = [&](const at::Tensor& of, int rank) {
      return of.narrow(0, bound(count, rank), bound(count, rank + 1) - bound(count, rank));
    };
    for (int rank = 0; rank < place_.size; ++rank)
      if (rank != place_.rank)
        part(slot(place_.rank, turn_ + 1, chunk), rank).copy_(part(chunk, rank));
    wait();
    const auto summand = [&](int rank) {
      return part(rank == place_.rank ? chunk : slot(rank, turn_, chunk), place_.rank);
    };
    const at::Tensor total = part(slot(place_.rank, turn_ + 1, chunk), place_.rank);
    at::Tensor out = total;
    at::add_out(out, summand(0), summand(1));
    for (int rank = 2; rank < place_.size; ++rank) out.add_(summand(rank));
    wait();
    for (int rank = 0; rank < place_.size; ++rank)
      part(chunk, rank).copy_(part(slot(rank, turn_, chunk), rank));
  });
}

void SharedMemory::sum_in(int root, const at::Tensor& flat) {
  if (place_.size == 1) return;
  in_chunks(flat, [&](const at::Tensor& chunk) {
    const auto left = [&](int rank, std::uint32_t turn) {
      return slot(rank, turn, chunk).narrow(0, 0, chunk.numel());
    };
    if (place_.rank != root) left(place_.rank, turn_ + 1).copy_(chunk);
    wait();
    if (place_.rank != root) return;
    const auto summand = [&](int rank) { return rank == root ? chunk : left(rank, turn_); };
    at::Tensor out = left(root, turn_);  // nobody else looks there
    at::add_out(out, summand(0), summand(1));
    for (int rank = 2; rank < place_.size; ++rank) out.add_(summand(rank));
    chunk.copy_(out);
  });
}

void SharedMemory::copy_from(int root, const at::Tensor& flat) {
  in_chunks(flat, [&](const at::Tensor& chunk) {
    const auto left = [&](std::uint32_t turn) {
      return slot(root, turn, chunk).narrow(0, 0, chunk.numel());
    };
    if (place_.rank == root) left(turn_ + 1).copy_(chunk);
    wait();
    if (place_.rank != root) chunk.copy_(left(turn_));
  });
}

}  // namespace gpt
