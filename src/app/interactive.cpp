#include "app/interactive.h"

#include <limits>
#include <unistd.h>

#include "gpt/base/error.h"
#include "gpt/base/interrupt.h"
#include "gpt/base/log.h"

#include "app/sample_run.h"
#include "app/sample_screen.h"

namespace gpt {

namespace {

// What a person is told; a pipe gets the answers alone.
class Console {
 public:
  void ask() const {
    if (shown_) print_exactly("> ");
  }
  void leave_line() const {
    if (shown_) print_exactly("\n");
  }
  void explain() const {
    if (shown_)
      log_info("a line is a text to continue; Ctrl-C stops the answer, Ctrl-D ends the program");
  }

 private:
  const bool shown_ = isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0;
};

// The line's tokens; none where it cannot be one, which has been said.
std::vector<std::int64_t> tokens_of(const std::string& line, const Tokenizer& tokenizer) {
  try {
    return tokenizer.encode(line, "the line", {.added_tokens = true});
  } catch (const InputError& error) {
    log_error(error.what());
    return {};
  }
}

}  // namespace

void answer_lines(const SampleConfig& config, const OpenModel& model, const Decoder& decoder,
                  const Tokenizer& tokenizer, const GenerateOptions& options) {
  Interrupts interrupts;
  InteractiveLines lines(STDIN_FILENO);
  const Console console;
  console.explain();
  SampleConfig one = config;
  one.num_samples = 1;
  one.draws = "seed";
  std::string line;
  for (;;) {
    console.ask();
    const auto got = lines.next(line);
    if (got == InteractiveLines::Got::kEnd) return console.leave_line();
    const bool interrupted = interrupts.take();
    if (got == InteractiveLines::Got::kInterrupt) {
      if (interrupted) console.leave_line();
      continue;
    }
    const std::vector<std::int64_t> prompt = tokens_of(line, tokenizer);
    if (prompt.empty()) continue;
    SampleScreen screen(tokenizer, "", 1, print_exactly, "\n");
    SampleRun run(one, model, decoder, screen, 1, [&] { return !interrupts.pending(); });
    run.write(prompt, options);
    interrupts.take();
    if (one.seed < std::numeric_limits<std::int64_t>::max()) ++one.seed;
  }
}

}  // namespace gpt
