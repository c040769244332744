#include "roll_call.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "gpt/base/strings.h"
#include "gpt/base/thread.h"

namespace gpt {

namespace {

using namespace std::chrono_literals;

constexpr auto kBeat = 500ms;
constexpr auto kLook = 2500ms;  // whoever is alive has beaten by then
constexpr auto kStoreTimeout = 3s;

std::string state_key(int rank) {
  return concat("alive/", rank);
}
std::string failure_key(int rank) {
  return concat("failed/", rank);
}

std::string lost_key(int rank) {
  return concat("lost/", rank);
}

std::string text_of(const std::vector<std::uint8_t>& bytes) {
  return {bytes.begin(), bytes.end()};
}

// "17 3": beat and collective.
std::int64_t collective_of(const std::string& state) {
  return std::atoll(state.substr(std::min(state.find(' '), state.size())).c_str());
}

}  // namespace

RollCall::RollCall(c10::intrusive_ptr<c10d::Store> store, c10::intrusive_ptr<c10d::Store> alive,
                   int rank, std::vector<std::string> names)
    : store_(std::move(store)), alive_(std::move(alive)), rank_(rank), names_(std::move(names)) {
  alive_->setTimeout(kStoreTimeout);
  alive_->set(state_key(rank_), std::string("0 0"));
  thread_ = start_thread<std::thread>("the roll call of the processes", [this] { beat(); });
}

RollCall::~RollCall() {
  {
    const std::scoped_lock lock(mutex_);
    leaving_ = true;
  }
  leave_.notify_all();
  thread_.join();
}

void RollCall::beat() {
  std::unique_lock lock(mutex_);
  for (std::int64_t count = 1; !leaving_; ++count) {
    try {
      alive_->set(state_key(rank_), concat(count, " ", reached_.load()));
    } catch (const std::exception&) {
      return;  // whoever kept the store is gone: the next collective will say so
    }
    leave_.wait_for(lock, kBeat, [this] { return leaving_; });
  }
}

void RollCall::report_failure(const std::string& what) {
  try {
    store_->setTimeout(kStoreTimeout);
    store_->set(failure_key(rank_), what);
  } catch (const std::exception&) {
    // nobody is there to hear it
  }
}

std::vector<std::string> RollCall::states() {
  std::vector<std::string> keys, states;
  for (int rank = 0; rank < static_cast<int>(names_.size()); ++rank)
    keys.push_back(state_key(rank));
  for (const std::vector<std::uint8_t>& bytes : store_->multiGet(keys))
    states.push_back(text_of(bytes));
  return states;
}

RollCall::Absent RollCall::missing() {
  const std::vector<std::string> before = states();
  std::this_thread::sleep_for(kLook);
  const std::vector<std::string> after = states();
  std::int64_t most = 0;
  for (const std::string& state : after) most = std::max(most, collective_of(state));
  std::vector<std::string> dead, late;
  for (int rank = 0; rank < static_cast<int>(names_.size()); ++rank) {
    if (rank == rank_) continue;
    if (store_->check({failure_key(rank)}))
      return {concat(names_[rank], " has ended: ", text_of(store_->get(failure_key(rank)))), true};
    if (before[rank] != after[rank]) {
      if (collective_of(after[rank]) < most) late.push_back(names_[rank]);
    } else if (!store_->check({lost_key(rank)})) {
      dead.push_back(names_[rank]);
    }
  }
  if (!dead.empty())
    return {join(dead, " and ") +
            " gives no sign of life (it was killed, is stopped, or cannot be reached)"};
  if (!late.empty()) return {join(late, " and ") + " is alive and has not come"};
  return {"all processes are alive; the connection between some of them is not"};
}

RollCall::Absent RollCall::absent() {
  try {
    store_->setTimeout(kStoreTimeout);
    // Whoever asks here will end, too, and is not what the others have lost.
    store_->set(lost_key(rank_), std::string("1"));
    return missing();
  } catch (const std::exception&) {
    return {"the store of the processes does not answer: " + names_.front() +
            ", or the launcher that keeps it, is gone or cannot be reached"};
  }
}

}  // namespace gpt
