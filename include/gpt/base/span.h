// Named stretches of work, for whoever wants to know where time goes: `gpttrain bench` and
// profile=True. While nobody listens, a span costs a load and a branch.
#pragma once

#include <atomic>

namespace gpt {

// Hears of spans on every thread that opens one, on that thread, properly nested.
class SpanListener {
 public:
  virtual ~SpanListener() = default;
  virtual void begins(const char* name) = 0;
  virtual void ends() noexcept = 0;
};

namespace detail {
inline std::atomic<SpanListener*> span_listener{nullptr};
}

// From now on `listener` hears of spans; nullptr: nobody does. Returns who did so far. A span that
// is open meanwhile ends with the one that heard it begin.
inline SpanListener* listen_to_spans(SpanListener* listener) {
  return detail::span_listener.exchange(listener, std::memory_order_acq_rel);
}

class Span {
 public:
  // `name` must outlive every listener: a literal.
  explicit Span(const char* name)
      : listener_(detail::span_listener.load(std::memory_order_acquire)) {
    if (listener_) listener_->begins(name);
  }
  ~Span() {
    if (listener_) listener_->ends();
  }
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;

 private:
  SpanListener* listener_;
};

// While it lives, spans that begin are not heard: around work that must not be waited for.
class NoSpans {
 public:
  NoSpans() : listener_(listen_to_spans(nullptr)) {}
  ~NoSpans() { listen_to_spans(listener_); }
  NoSpans(const NoSpans&) = delete;
  NoSpans& operator=(const NoSpans&) = delete;

 private:
  SpanListener* listener_;
};

}  // namespace gpt
