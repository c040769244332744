// A file that a model is scored on: HellaSwag, LAMBADA, a text, or the tokens of one. `gpttrain
// eval` and the tasks of a run are these.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gpt/eval/scoring.h"
#include "gpt/metrics/metrics_sink.h"
#include "gpt/text/tokenizer.h"

namespace gpt {

struct TaskOptions {
  std::int64_t context = 0;     // tokens that the model reads at once
  std::int64_t stride = 0;      // by which a window over a text moves; at most context
  std::int64_t vocab_size = 0;  // the model's
  bool lm_eval = false;         // HellaSwag as lm-eval has it, else as llm.c
  bool score_first = false;     // a text's first token, too, after <|endoftext|>
  std::int64_t limit = 0;       // examples, or windows of a text, from its beginning; 0: all
  // InputError where it is not known what the tokens mean; only asked where that matters.
  std::function<std::unique_ptr<Tokenizer>()> tokenizer;
  bool loss_mask = true;      // of a file of tokens, where one lies beside it
  bool bytes_needed = false;  // then not knowing it matters to a file of tokens as well
  std::string model = {};     // for messages
};

class TaskFile {
 public:
  // In the order in which they are shown; shares are 0 to 1.
  using Values = std::vector<std::pair<std::string, MetricsSink::Value>>;

  virtual ~TaskFile() = default;

  // `batch` texts at a time. What `progress` gets to show is measure().
  virtual Values score(const Scorer& scorer, std::int64_t batch,
                       const EvalProgress& progress) const = 0;
  virtual const char* measure() const = 0;
  // Of the values above, those that are curves.
  virtual std::vector<std::string> curves() const = 0;
  virtual std::string sentence(const Values& values) const = 0;
};

// Which task a file is: "tokens" (*.bin), "hellaswag" (llm.c's .bin, or *.jsonl with endings),
// "lambada" (*.jsonl with a text), or "text" (anything else). InputError for another *.jsonl.
std::string task_of(const std::string& file);

// Opens and checks the file: whatever is wrong with it is an InputError here, and not when it is
// scored.
std::unique_ptr<TaskFile> open_task(const std::string& task, const std::string& file,
                                    const TaskOptions& options);

// A whole text, up to 256 MiB.
std::string task_text(const std::string& file);

}  // namespace gpt
