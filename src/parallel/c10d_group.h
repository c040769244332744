// A group of processes on PyTorch's c10d: gloo for what they agree on and for the CPU's tensors,
// or between processes of one machine memory that they share, and NCCL for GPUs where it is in use.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "gpt/parallel/launcher.h"
#include "gpt/parallel/process_group.h"

#include "backend.h"
#include "meeting.h"
#include "roll_call.h"
#include "shared_memory.h"

namespace gpt {

// A process as the others see it.
struct Member {
  std::string host;     // its machine's name
  std::string machine;  // tells machines apart that have one name
  std::string address;  // where it is reached, for gloo; may be of the loopback
  std::string memory;   // tells apart whose memory others cannot map, or should not
  std::vector<int> cores;
};

class C10dGroup : public ProcessGroup {
 public:
  C10dGroup(const LaunchInfo& info, std::chrono::milliseconds timeout, bool shares_memory);
  // What hangs in a collective that has failed is left behind, for the process is about to end.
  ~C10dGroup() override;

  void use_nccl(const c10::Device& device);

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int local_rank() const override { return local_rank_; }
  int local_size() const override { return local_size_; }
  std::string name(int rank) const override { return names_.at(static_cast<std::size_t>(rank)); }
  double core_share() const override { return core_share_; }
  std::string transport() const override { return transport_; }

  void sum(const std::vector<at::Tensor>& tensors) override;
  void begin_sum() override;
  void add_to_sum(const at::Tensor& part) override;
  void end_sum() override;
  void reduce_scatter(const OwnedTensors& of_rank) override;
  void all_gather(const OwnedTensors& of_rank) override;
  void gather(const OwnedTensors& of_rank) override;
  void broadcast(const std::vector<at::Tensor>& tensors) override;
  std::vector<std::string> all_texts(const std::string& here) override;
  std::int64_t max(std::int64_t here) override;
  void report_out_of_memory() override;
  void report_failure(const std::string& what) override;
  bool says_first(const std::string& text) override;
  GroupSeconds take_seconds() override;

 private:
  enum class Collective : std::int64_t;

  void place(const LaunchInfo& info, const std::vector<Member>& members);
  std::vector<Member> introduce(const std::string& address);
  void leave();
  void share_memory(const std::vector<Member>& members);
  Backend& backend_of(const at::Tensor& tensor);
  bool through_memory(const at::Tensor& tensor) const { return shared_ && tensor.is_cpu(); }
  // All have come to the same collective and are able to take part in it; the largest value.
  std::int64_t agree(Collective what, std::int64_t value = 0, bool out_of_memory = false);
  SharedMemory::Facts largest(SharedMemory::Facts facts);  // over all processes, by gloo
  void rooted(Collective what, const OwnedTensors& of_rank);
  template <class Work>
  void moving(Collective what, const Work& work);
  template <class Work>
  void guarded(Collective what, const Work& work);
  [[noreturn]] void give_up(Collective what, const std::string& why);

  const int rank_, size_;
  int local_rank_ = 0, local_size_ = 1;
  double core_share_ = 1;
  const std::chrono::milliseconds timeout_;
  Meeting meeting_;
  std::vector<std::string> names_;
  Backend gloo_, nccl_;
  std::unique_ptr<SharedMemory> shared_;  // where all processes are on one machine
  std::string transport_;
  std::unique_ptr<RollCall> roll_call_;
  std::int64_t collectives_ = 0, texts_ = 0;
  GroupSeconds seconds_;
  std::vector<c10::intrusive_ptr<c10d::Work>> under_way_;  // of a sum in parts
  bool broken_ = false;
};

}  // namespace gpt
