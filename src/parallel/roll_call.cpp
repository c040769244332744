#include "roll_call.h"

#include <algorithm>
#include <future>
#include <memory>
#include <utility>

#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/base/thread.h"

namespace gpt {

namespace {

using namespace std::chrono_literals;

constexpr auto kBeat = 500ms;
constexpr auto kLook = 2500ms;  // whoever is alive has beaten by then
constexpr auto kStoreTimeout = 3s;
constexpr auto kAnswer = 8s;

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

std::vector<std::string> states(c10d::Store& store, int size) {
  std::vector<std::string> keys, states;
  for (int rank = 0; rank < size; ++rank) keys.push_back(state_key(rank));
  for (const std::vector<std::uint8_t>& bytes : store.multiGet(keys))
    states.push_back(text_of(bytes));
  return states;
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

RollCall::Absent RollCall::missing(c10d::Store& store, int rank,
                                   const std::vector<std::string>& names) {
  const int size = static_cast<int>(names.size());
  store.setTimeout(kStoreTimeout);
  // Whoever asks here will end, too, and is not what the others have lost.
  store.set(lost_key(rank), std::string("1"));
  const std::vector<std::string> before = states(store, size);
  std::this_thread::sleep_for(kLook);
  const std::vector<std::string> after = states(store, size);
  std::int64_t most = 0;
  for (const std::string& state : after) most = std::max(most, collective_of(state));
  std::vector<std::string> dead, late;
  for (int other = 0; other < size; ++other) {
    if (other == rank) continue;
    if (store.check({failure_key(other)}))
      return {concat(names[other], " has ended: ", text_of(store.get(failure_key(other)))), true};
    if (before[other] != after[other]) {
      if (collective_of(after[other]) < most) late.push_back(names[other]);
    } else if (!store.check({lost_key(other)})) {
      dead.push_back(names[other]);
    }
  }
  if (!dead.empty())
    return {join(dead, " and ") +
            " gives no sign of life (it was killed, is stopped, or cannot be reached)"};
  if (!late.empty()) return {join(late, " and ") + " is alive and has not come"};
  return {"all processes are alive; the connection between some of them is not"};
}

// Over a cut line the store's answer never comes, and nothing ends the waiting for it: a thread of
// its own does that, and is left behind.
RollCall::Absent RollCall::absent() {
  auto answer = std::make_shared<std::promise<Absent>>();
  std::future<Absent> coming = answer->get_future();
  auto ask = [answer, store = store_, rank = rank_, names = names_] {
    try {
      answer->set_value(missing(*store, rank, names));
    } catch (const std::exception&) {
      answer->set_exception(std::current_exception());
    }
  };
  start_thread<std::thread>("asking who is lost", std::move(ask)).detach();
  try {
    if (coming.wait_for(kAnswer) == std::future_status::ready) return coming.get();
  } catch (const std::exception& error) {
    log_debug(error.what());
  }
  return {names_.front() +
          ", or the launcher that keeps the processes' store, gives no sign of life (it was "
          "killed, is stopped, or cannot be reached)"};
}

}  // namespace gpt
