// Profile ranges: named sections of work, for those who measure where time goes, which are
// `gpttrain bench` and profile=True. Without a listener a range costs a load and a branch.
#pragma once

#include <atomic>

namespace gpt {

// Is told of ranges on every thread that opens one, on that thread, properly nested.
class ProfileListener {
 public:
  virtual ~ProfileListener() = default;
  virtual void begins(const char* name) = 0;
  virtual void ends() noexcept = 0;
};

namespace detail {
inline std::atomic<ProfileListener*> profile_listener{nullptr};
}

// From now on `listener` is told of ranges; nullptr: nobody is. Returns the previous listener. The
// end of a range that is open meanwhile is told to the listener that was told of its begin.
inline ProfileListener* set_profile_listener(ProfileListener* listener) {
  return detail::profile_listener.exchange(listener, std::memory_order_acq_rel);
}

class ProfileRange {
 public:
  // `name` must outlive every listener: a literal.
  explicit ProfileRange(const char* name)
      : listener_(detail::profile_listener.load(std::memory_order_acquire)) {
    if (listener_) listener_->begins(name);
  }
  ~ProfileRange() {
    if (listener_) listener_->ends();
  }
  ProfileRange(const ProfileRange&) = delete;
  ProfileRange& operator=(const ProfileRange&) = delete;

 private:
  ProfileListener* listener_;
};

// While one lives, no listener is told of ranges that begin: for work that must not be waited for.
class NoProfileRanges {
 public:
  NoProfileRanges() : listener_(set_profile_listener(nullptr)) {}
  ~NoProfileRanges() { set_profile_listener(listener_); }
  NoProfileRanges(const NoProfileRanges&) = delete;
  NoProfileRanges& operator=(const NoProfileRanges&) = delete;

 private:
  ProfileListener* listener_;
};

}  // namespace gpt
