#include "c10d_group.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sched.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include <ATen/ATen.h>
#include <climits>
#include <nlohmann/json.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>

#include "gpt/base/log.h"
#include "gpt/base/process.h"
#include "gpt/base/strings.h"
#include "gpt/parallel/join.h"

#include "host_address.h"
#include "pieces.h"

namespace gpt {

enum class C10dGroup::Collective : std::int64_t {
  kSum = 1,
  kReduceScatter,
  kAllGather,
  kGather,
  kBroadcast,
  kTexts,
  kMax,
  kOutOfMemory,
};

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kBucketBytes = std::int64_t{32} << 20;
constexpr int kGatherTag = 1;
constexpr int kSpin = 200;  // microseconds

const char* const kWhat[] = {"",
                             "the sum of tensors",
                             "the sum of gradients",
                             "the exchange of weights",
                             "the collection of a state",
                             "the distribution of tensors",
                             "the comparison of the processes",
                             "the agreement between steps",
                             "the agreement on memory"};

std::string host_name() {
  char name[HOST_NAME_MAX + 1] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "unknown host";
}

std::string boot_id() {
  std::string id;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
  return id;
}

// Processes of two network namespaces are two machines to each other, and those of two process
// namespaces cannot look after each other.
std::string namespaces() {
  std::string names;
  for (const char* kind : {"pid", "net"}) {
    std::error_code unknown;
    names += std::filesystem::read_symlink(concat("/proc/self/ns/", kind), unknown).string();
  }
  return names;
}

std::vector<int> own_cores() {
  std::vector<int> cores;
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return cores;
  for (int core = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  return cores;
}

std::string to_text(const Member& member) {
  return nlohmann::json{{"host", member.host},
                        {"machine", member.machine},
                        {"address", member.address},
                        {"memory", member.memory},
                        {"cores", member.cores}}
      .dump();
}

Member to_member(const std::string& text) {
  const auto json = nlohmann::json::parse(text);
  return {.host = json.at("host"),
          .machine = json.at("machine"),
          .address = json.at("address"),
          .memory = json.at("memory"),
          .cores = json.at("cores").get<std::vector<int>>()};
}

// The part of a process's cores that is its own, where others of the machine use them as well.
double share_of(const Member& member, const std::vector<Member>& local) {
  if (member.cores.empty()) return 1.0 / static_cast<double>(local.size());
  double share = 0;
  for (const int core : member.cores) {
    int users = 0;
    for (const Member& other : local)
      users += std::count(other.cores.begin(), other.cores.end(), core) > 0 ? 1 : 0;
    share += 1.0 / std::max(users, 1);
  }
  return share / static_cast<double>(member.cores.size());
}

Wait waiting_for(c10::intrusive_ptr<c10d::Work> work) {
  return [work = std::move(work)] { work->wait(); };
}

std::string seconds_text(std::chrono::milliseconds time) {
  return human_seconds(static_cast<double>(time.count()) / 1000);
}

}  // namespace

C10dGroup::C10dGroup(const LaunchInfo& info, std::chrono::milliseconds timeout, bool shares_memory)
    : rank_(info.rank), size_(info.size), timeout_(timeout), meeting_(meet(info, timeout)) {
  ignore_broken_pipes();  // a write to a process that is gone fails, and does not end this one
  const std::string towards = info.address.empty() ? "127.0.0.1" : info.address;
  std::string address = address_towards(towards, info.port).value_or("");
  const std::vector<Member> members = introduce(address);
  place(info, members);
  // Rank 0 may know its own machine by a name that leads to its loopback.
  if (is_loopback(address))
    for (const Member& member : members)
      if (!member.address.empty() && !is_loopback(member.address))
        address = address_towards(member.address, info.port).value_or(address);
  roll_call_ = std::make_unique<RollCall>(meeting_.store, meeting_.alive, rank_, names_);
  try {
    gloo_ = make_gloo(c10::make_intrusive<c10d::PrefixStore>("gloo", meeting_.store), rank_, size_,
                      address, timeout_);
  } catch (const std::exception& error) {
    throw LostProcess(concat(
        names_[rank_], " of ", size_, ": gloo connects not all processes over ",
        address.empty() ? "this machine's default interface" : address, ": ", error.what(),
        "; GLOO_SOCKET_IFNAME=NAME chooses the network interface (`gpttrain doctor` lists them)"));
  }
  transport_ = "gloo";
  if (shares_memory) share_memory(members);
}

C10dGroup::~C10dGroup() {
  using namespace std::chrono_literals;
  if (!broken_) {
    leave();
    return;
  }
  // The others ask the first process's store whom they have lost.
  if (rank_ == 0) std::this_thread::sleep_for(4s);
  static_cast<void>(gloo_.release());
  static_cast<void>(nccl_.release());
}

// The store is there until the others do not need it any more.
void C10dGroup::leave() {
  using namespace std::chrono_literals;
  roll_call_.reset();
  try {
    meeting_.store->setTimeout(2s);
    if (meeting_.store->add("left", 1) == size_) meeting_.store->set("all left", std::string("1"));
    if (rank_ == 0) meeting_.store->wait({"all left"}, 2s);
  } catch (const std::exception& error) {
    log_debug(error.what());  // a process has not come to its end: it says why itself
  }
}

// Through the store: nothing else connects the processes yet.
std::vector<Member> C10dGroup::introduce(const std::string& address) {
  const Member own{.host = host_name(),
                   .machine = boot_id(),
                   .address = address,
                   .memory = namespaces(),
                   .cores = own_cores()};
  meeting_.store->set(concat("member/", rank_), to_text(own));
  std::vector<Member> members;
  for (int rank = 0; rank < size_; ++rank)
    members.push_back(to_member(meeting_.store->get_to_str(concat("member/", rank))));
  return members;
}

void C10dGroup::place(const LaunchInfo& info, const std::vector<Member>& members) {
  const Member& own = members[rank_];
  std::vector<Member> local;
  int before = 0;
  for (int rank = 0; rank < size_; ++rank) {
    names_.push_back(concat("rank ", rank, " (", members[rank].host, ")"));
    if (members[rank].host != own.host || members[rank].machine != own.machine) continue;
    local.push_back(members[rank]);
    before += rank < rank_ ? 1 : 0;
  }
  local_rank_ = info.local_rank.value_or(before);
  local_size_ = static_cast<int>(local.size());
  core_share_ = share_of(own, local);
}

void C10dGroup::share_memory(const std::vector<Member>& members) {
  const Member& first = members.front();
  for (const Member& other : members)
    if (other.machine != first.machine || other.memory != first.memory) {
      transport_ = "gloo, since they are on several machines";
      return;
    }
  // Waking up costs more than most waits, but whoever shares a core must leave it to the others.
  const double cores = core_share_ * static_cast<double>(members[rank_].cores.size());
  const SharedMemory::Place place{.rank = rank_,
                                  .size = size_,
                                  .timeout = timeout_,
                                  .spin = std::chrono::microseconds(cores >= 1 ? kSpin : 0)};
  const char* const key = "shared memory";
  std::unique_ptr<SharedMemory> memory;
  std::string failure;
  try {
    memory = rank_ == 0 ? std::make_unique<SharedMemory>(place)
                        : std::make_unique<SharedMemory>(place, meeting_.store->get_to_str(key));
  } catch (const Error& error) {
    failure = error.what();
  }
  if (rank_ == 0) meeting_.store->set(key, memory ? memory->address() : "nothing");
  for (const std::string& text : all_texts(failure))
    if (!text.empty()) {
      transport_ = concat("gloo, since they cannot share memory: ", text);
      return;
    }
  memory->forget_address();
  shared_ = std::move(memory);
  transport_ = "shared memory";
}

void C10dGroup::use_nccl(const c10::Device& device) {
  nccl_ = make_nccl(c10::make_intrusive<c10d::PrefixStore>("nccl", meeting_.store), rank_, size_,
                    device, timeout_);
}

Backend& C10dGroup::backend_of(const at::Tensor& tensor) {
  return tensor.is_cuda() && nccl_ ? nccl_ : gloo_;
}

void C10dGroup::give_up(Collective what, const std::string& why) {
  broken_ = true;
  const RollCall::Absent absent = roll_call_->absent();
  throw LostProcess(concat(kWhat[static_cast<int>(what)], " failed: ", absent.text,
                           absent.has_ended ? std::string()
                                            : concat("; nobody is waited for longer than ",
                                                     seconds_text(timeout_), " (dist_timeout)"),
                           why.empty() ? "" : ": ", why));
}

template <class Work>
void C10dGroup::guarded(Collective what, const Work& work) {
  if (broken_) throw LostProcess("the processes of this run are no longer connected");
  try {
    work();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    log_debug(error.what());
    give_up(what, "");
  }
}

template <class Work>
void C10dGroup::moving(Collective what, const Work& work) {
  const auto start = Clock::now();
  guarded(what, work);
  seconds_.moving += std::chrono::duration<double>(Clock::now() - start).count();
}

std::int64_t C10dGroup::agree(Collective what, std::int64_t value, bool out_of_memory) {
  const auto code = static_cast<std::int64_t>(what);
  SharedMemory::Facts most{std::int64_t{out_of_memory}, code, -code, value};
  roll_call_->at(++collectives_);
  const auto start = Clock::now();
  guarded(what, [&] { most = shared_ ? shared_->largest(most) : largest(most); });
  seconds_.waiting += std::chrono::duration<double>(Clock::now() - start).count();
  if (most[0] != 0) {
    if (out_of_memory) return 0;
    throw OutOfMemoryElsewhere();
  }
  if (most[1] != -most[2])
    give_up(what, concat("the processes are at different places of the program (", kWhat[most[1]],
                         ", ", kWhat[-most[2]], ")"));
  return most[3];
}

SharedMemory::Facts C10dGroup::largest(SharedMemory::Facts facts) {
  std::vector<at::Tensor> tensors{
      at::from_blob(facts.data(), {SharedMemory::kFacts}, at::TensorOptions(at::kLong))};
  c10d::AllreduceOptions options;
  options.reduceOp = c10d::ReduceOp::MAX;
  gloo_->allreduce(tensors, options)->wait();
  return facts;
}

void C10dGroup::sum(const std::vector<at::Tensor>& tensors) {
  agree(Collective::kSum);
  moving(Collective::kSum, [&] {
    in_buckets(tensors, kBucketBytes, [&](const at::Tensor& bucket) -> Wait {
      if (through_memory(bucket)) {
        shared_->sum(bucket);
        return [] {};
      }
      std::vector<at::Tensor> one{bucket};
      return waiting_for(backend_of(bucket)->allreduce(one));
    });
  });
}

void C10dGroup::begin_sum() {
  agree(Collective::kSum);
}

void C10dGroup::add_to_sum(const at::Tensor& part) {
  moving(Collective::kSum, [&] {
    const at::Tensor flat = part.view({-1});
    if (through_memory(flat)) return shared_->sum(flat);
    const std::int64_t most = kBucketBytes / static_cast<std::int64_t>(flat.element_size());
    for (std::int64_t first = 0; first < flat.numel(); first += most) {
      std::vector<at::Tensor> one{flat.narrow(0, first, std::min(most, flat.numel() - first))};
      under_way_.push_back(backend_of(flat)->allreduce(one));
    }
  });
}

void C10dGroup::end_sum() {
  moving(Collective::kSum, [&] {
    for (const auto& work : std::exchange(under_way_, {})) work->wait();
  });
}

// Each process's tensors in collectives of which it is the root.
void C10dGroup::rooted(Collective what, const OwnedTensors& of_rank) {
  agree(what);
  const bool sums = what == Collective::kReduceScatter;
  const auto start = [&](const at::Tensor& bucket, int root) -> Wait {
    if (through_memory(bucket)) {
      sums ? shared_->sum_in(root, bucket) : shared_->copy_from(root, bucket);
      return [] {};
    }
    std::vector<at::Tensor> one{bucket};
    if (sums) {
      c10d::ReduceOptions options;
      options.rootRank = root;
      return waiting_for(backend_of(bucket)->reduce(one, options));
    }
    c10d::BroadcastOptions options;
    options.rootRank = root;
    return waiting_for(backend_of(bucket)->broadcast(one, options));
  };
  moving(what, [&] {
    for (int root = 0; root < size_; ++root)
      in_buckets(of_rank.at(root), kBucketBytes,
                 [&](const at::Tensor& bucket) { return start(bucket, root); });
  });
}

void C10dGroup::reduce_scatter(const OwnedTensors& of_rank) {
  rooted(Collective::kReduceScatter, of_rank);
}

void C10dGroup::all_gather(const OwnedTensors& of_rank) {
  rooted(Collective::kAllGather, of_rank);
}

void C10dGroup::broadcast(const std::vector<at::Tensor>& tensors) {
  OwnedTensors of_rank(size_);
  of_rank.front() = tensors;
  rooted(Collective::kBroadcast, of_rank);
}

void C10dGroup::gather(const OwnedTensors& of_rank) {
  agree(Collective::kGather);
  guarded(Collective::kGather, [&] {
    for (int owner = 1; owner < size_; ++owner) {
      if (rank_ != 0 && rank_ != owner) continue;
      const auto move = [&](const at::Tensor& bucket) {
        std::vector<at::Tensor> one{bucket};
        return waiting_for(rank_ == 0 ? gloo_->recv(one, owner, kGatherTag)
                                      : gloo_->send(one, 0, kGatherTag));
      };
      in_buckets(of_rank.at(owner), kBucketBytes, move);
    }
  });
}

std::vector<std::string> C10dGroup::all_texts(const std::string& here) {
  agree(Collective::kTexts);
  std::vector<std::string> texts;
  guarded(Collective::kTexts, [&] {
    const std::string key = concat("text/", ++texts_, "/");
    meeting_.store->set(key + std::to_string(rank_), here);
    for (int rank = 0; rank < size_; ++rank)
      texts.push_back(meeting_.store->get_to_str(key + std::to_string(rank)));
  });
  return texts;
}

std::int64_t C10dGroup::max(std::int64_t here) {
  return agree(Collective::kMax, here);
}

void C10dGroup::report_out_of_memory() {
  agree(Collective::kOutOfMemory, 0, /*out_of_memory=*/true);
}

void C10dGroup::report_failure(const std::string& what) {
  roll_call_->report_failure(what);
}

bool C10dGroup::says_first(const std::string& text) {
  if (broken_) return true;
  try {
    return meeting_.store->add("said/" + text, 1) == 1;
  } catch (const std::exception&) {
    return true;
  }
}

GroupSeconds C10dGroup::take_seconds() {
  return std::exchange(seconds_, {});
}

std::unique_ptr<ProcessGroup> join_processes(const LaunchInfo& info,
                                             std::chrono::milliseconds timeout,
                                             bool shares_memory) {
  return std::make_unique<C10dGroup>(info, timeout, shares_memory);
}

void use_nccl(ProcessGroup& group, const c10::Device& device) {
  if (auto* processes = dynamic_cast<C10dGroup*>(&group)) processes->use_nccl(device);
}

}  // namespace gpt
