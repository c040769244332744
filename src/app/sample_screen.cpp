#include "app/sample_screen.h"

#include <utility>

namespace gpt {

SampleScreen::SampleScreen(const Tokenizer& tokenizer, std::string prompt, std::int64_t samples,
                           std::function<void(const std::string& text)> show, std::string end)
    : tokenizer_(tokenizer),
      prompt_(std::move(prompt)),
      end_(std::move(end)),
      show_(std::move(show)),
      samples_(static_cast<std::size_t>(samples)) {
  for (Sample& sample : samples_) sample.waiting = prompt_;
  show_waiting();
}

void SampleScreen::add(std::int64_t sample, std::int64_t token) {
  Sample& at = samples_[static_cast<std::size_t>(sample)];
  std::string bytes;
  tokenizer_.append_text(token, bytes);
  std::u32string characters;
  at.decoder.decode(bytes, characters);
  at.waiting += to_utf8(characters);
  if (static_cast<std::size_t>(sample) == shown_) show_waiting();
}

void SampleScreen::end(std::int64_t sample) {
  Sample& at = samples_[static_cast<std::size_t>(sample)];
  std::u32string rest;
  at.decoder.finish(rest);
  at.waiting += to_utf8(rest) + end_;
  at.ended = true;
  if (static_cast<std::size_t>(sample) == shown_) show_waiting();
}

void SampleScreen::show_waiting() {
  for (; shown_ < samples_.size(); ++shown_) {
    Sample& at = samples_[shown_];
    if (!at.waiting.empty()) show_(std::exchange(at.waiting, {}));
    if (!at.ended) return;
  }
}

}  // namespace gpt
