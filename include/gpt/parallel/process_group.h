// The processes that train one model together, as a run sees them (data parallelism; Li et al.
// 2020, "PyTorch Distributed"). Every process calls the same methods in the same order; a method
// returns when its result may be used on the tensors' device.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "gpt/base/error.h"

namespace gpt {

struct IndexRange {
  std::int64_t begin = 0, end = 0;
  std::int64_t size() const { return end - begin; }
  bool operator==(const IndexRange&) const = default;
};

// Another process of the group is gone, hangs, or cannot be reached; the text says which, where,
// and what was waited for.
class LostProcess : public Error {
 public:
  using Error::Error;
};

// Another process of the group has run out of memory in what all of them do together.
class OutOfMemoryElsewhere : public Error {
 public:
  OutOfMemoryElsewhere() : Error("another process of this run has too little memory") {}
};

// Tensors of each process, by rank: parts of what all processes hold.
using OwnedTensors = std::vector<std::vector<at::Tensor>>;

// Time of this process, in seconds.
struct GroupSeconds {
  double waiting = 0;  // for other processes to arrive
  double moving = 0;   // tensors; on a GPU only until that is queued
};

// By itself a group of one process: everything is its own, and nothing is sent.
class ProcessGroup {
 public:
  virtual ~ProcessGroup() = default;

  virtual int rank() const { return 0; }
  virtual int size() const { return 1; }
  // The process that writes files and speaks.
  bool is_first() const { return rank() == 0; }
  // Among the processes of this machine, and how many those are.
  virtual int local_rank() const { return 0; }
  virtual int local_size() const { return 1; }
  // "rank 1 (node7)"; "" for a single process.
  virtual std::string name(int /*rank*/) const { return ""; }
  // The part of this process's CPU cores that is its own: those that other processes of the group
  // use as well are divided by their number.
  virtual double core_share() const { return 1; }
  // What moves tensors of the CPU from process to process, for the log; if not what is fastest on
  // one machine, with the reason.
  virtual std::string transport() const { return ""; }

  // What this process does of `count` things in a row: as even a part as there is, the parts in the
  // order of the ranks.
  IndexRange partition(std::int64_t count) const {
    return {count * rank() / size(), count * (rank() + 1) / size()};
  }

  // Each tensor becomes the sum of it over all processes, the same bits in each.
  virtual void sum(const std::vector<at::Tensor>& /*tensors*/) {}
  // A sum in parts, some of which are under way while the next is computed: every process begins
  // it, adds the same parts in the same order, and ends it, after which all may be used. Between
  // begin and end nothing is agreed on: whoever fails there has to go through all of it first.
  virtual void begin_sum() {}
  virtual void add_to_sum(const at::Tensor& /*part*/) {}
  virtual void end_sum() {}
  // sum() for each process's own tensors alone; what it holds of the others' is used up.
  virtual void reduce_scatter(const OwnedTensors& /*of_rank*/) {}
  // Every process gets the other processes' own tensors.
  virtual void all_gather(const OwnedTensors& /*of_rank*/) {}
  // The first process gets the other processes' own tensors; on the CPU.
  virtual void gather(const OwnedTensors& /*of_rank*/) {}
  // Every process gets the first one's tensors.
  virtual void broadcast(const std::vector<at::Tensor>& /*tensors*/) {}
  // What each process says, by rank.
  virtual std::vector<std::string> all_texts(const std::string& here) { return {here}; }
  // The largest of the processes' values, none of them negative.
  virtual std::int64_t max(std::int64_t here) { return here; }
  // Is it so in any process?
  bool any(bool here) { return max(here ? 1 : 0) != 0; }
  // Until all are here.
  void barrier() { max(0); }

  // This process has run out of memory: the next method of the others throws OutOfMemoryElsewhere,
  // and from there on all continue together.
  virtual void report_out_of_memory() {}
  // This process ends with an error, which is what the others say then.
  virtual void report_failure(const std::string& /*what*/) {}
  // True if no process of the group has said `text` before. Never waits for others.
  virtual bool says_first(const std::string& /*text*/) { return true; }

  // Since the last call.
  virtual GroupSeconds take_seconds() { return {}; }
};

// A run of one process.
ProcessGroup& single_process();

}  // namespace gpt
