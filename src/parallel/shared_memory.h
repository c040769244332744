// Processes of one machine exchange tensors of the CPU through memory that all of them have mapped,
// which takes a fraction of what sockets take. Sums are added in the order of the ranks, so that
// they have the same bits in every process and however they are cut.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include <ATen/core/Tensor.h>

namespace gpt {

class SharedMemory {
 public:
  // Of a group of `size` processes this one is `rank`.
  struct Place {
    int rank = 0, size = 1;
    std::chrono::milliseconds timeout;  // nobody is waited for longer
    // A process that waits keeps its core for so long before it sleeps: waking up takes longer than
    // most waits. Zero where processes share cores.
    std::chrono::microseconds spin;
  };

  // One process makes the memory, and the others open what its address() says while it is there.
  // The memory has no name in any folder, so that it is gone with the last process that has it,
  // however those end. Error, also where memory is short.
  explicit SharedMemory(const Place& place);
  SharedMemory(const Place& place, const std::string& address);
  // The others no longer wait for this process.
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  const std::string& address() const { return address_; }
  // All have opened it.
  void forget_address();

  // What follows, all processes call in the same order. std::runtime_error if one of them has ended
  // or does not come within the timeout; who that is, the group finds out.
  static constexpr std::size_t kFacts = 4;
  using Facts = std::array<std::int64_t, kFacts>;
  // The largest of each over all processes.
  Facts largest(const Facts& here);
  // In place, for contiguous tensors on the CPU.
  void sum(const at::Tensor& flat);
  void sum_in(int root, const at::Tensor& flat);  // what the others have is left as it is
  void copy_from(int root, const at::Tensor& flat);

 private:
  struct Process;
  struct Layout;
  struct Unmap {
    std::size_t bytes;
    void operator()(void* memory) const;
  };

  bool map(int file);
  Process& process(int rank) const;
  // Where `rank` leaves what the others read after the wait number `turn`: there are two such
  // places, since some may still read there while others write for the next turn.
  at::Tensor slot(int rank, std::uint32_t turn, const at::Tensor& like) const;
  // Until all processes have come here; from then on what they left before is there to be read.
  void wait();
  void wait_for(int rank);
  bool has_left(int rank) const;
  template <class Visit>
  void in_chunks(const at::Tensor& flat, const Visit& visit) const;

  const Place place_;
  std::string address_;
  int file_ = -1;
  std::unique_ptr<void, Unmap> memory_;
  std::uint32_t turn_ = 0;
};

}  // namespace gpt
