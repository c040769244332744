#include "gpt/train/task_file.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/data/token_file.h"
#include "gpt/data/token_mask.h"
#include "gpt/eval/hellaswag.h"
#include "gpt/eval/lambada.h"
#include "gpt/eval/perplexity.h"

namespace gpt {

namespace {

double share(std::int64_t part, std::int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

// Of a share: sqrt(p (1 - p) / (n - 1)), lm-eval's.
double standard_error(std::int64_t part, std::int64_t whole) {
  const double p = share(part, whole);
  return whole > 1 ? std::sqrt(p * (1 - p) / static_cast<double>(whole - 1)) : 0;
}

const MetricsSink::Value* find_value(const TaskFile::Values& values, const char* key) {
  for (const auto& [name, value] : values)
    if (name == key) return &value;
  return nullptr;
}

double real(const TaskFile::Values& values, const char* key) {
  return std::get<double>(*find_value(values, key));
}

std::string whole(const TaskFile::Values& values, const char* key) {
  return with_commas(std::get<std::int64_t>(*find_value(values, key)));
}

template <class Example>
void keep_first(std::vector<Example>& examples, std::int64_t limit) {
  if (limit > 0 && limit < std::ssize(examples)) examples.resize(static_cast<std::size_t>(limit));
}

// What is asked must fit the model, whatever is cut of what comes before it.
void require_fit(const std::string& file, std::size_t example,
                 const std::vector<std::int64_t>& context, const std::vector<std::int64_t>& target,
                 std::int64_t most) {
  try {
    bool cut = false;
    fitted_request(context, target, most, &cut);
  } catch (const InputError& error) {
    throw InputError(concat(file, ": example ", example + 1, ": ", error.what()));
  }
}

class HellaswagTask : public TaskFile {
 public:
  HellaswagTask(std::string file, const TaskOptions& options)
      : file_(std::move(file)),
        context_(options.context),
        lm_eval_(options.lm_eval),
        examples_(read(options)) {
    keep_first(examples_, options.limit);
    for (std::size_t i = 0; i < examples_.size(); ++i)
      for (const auto& ending : examples_[i].endings)
        require_fit(file_, i, examples_[i].context, ending, context_);
  }

  Values score(const Scorer& scorer, std::int64_t batch,
               const EvalProgress& progress) const override {
    const ChoiceAccuracy result = score_choices(examples_, context_, batch, scorer, progress);
    const std::int64_t normed = lm_eval_ ? result.by_character : result.by_mean;
    if (result.cut > 0 && !said_cut_) {
      said_cut_ = true;
      log_warning(concat(file_, ": ", result.cut, " of ", result.examples,
                         " contexts were cut at their beginning to fit ", context_, " tokens"));
    }
    return {{"style", lm_eval_ ? "lm-eval" : "llmc"},
            {"examples", result.examples},
            {"acc", share(result.by_sum, result.examples)},
            {"acc_stderr", standard_error(result.by_sum, result.examples)},
            {"acc_norm", share(normed, result.examples)},
            {"acc_norm_stderr", standard_error(normed, result.examples)}};
  }
  const char* measure() const override { return "acc_norm"; }
  std::vector<std::string> curves() const override { return {"acc", "acc_norm"}; }
  std::string sentence(const Values& values) const override {
    return format("acc %.4f +- %.4f, acc_norm %.4f +- %.4f over %s examples (%s)",
                  real(values, "acc"), real(values, "acc_stderr"), real(values, "acc_norm"),
                  real(values, "acc_norm_stderr"), whole(values, "examples").c_str(),
                  std::get<std::string>(*find_value(values, "style")).c_str());
  }

 private:
  std::vector<ChoiceExample> read(const TaskOptions& options) const {
    if (!is_hellaswag_bin(file_))
      return read_hellaswag_jsonl(file_, *options.tokenizer(),
                                  lm_eval_ ? HellaswagStyle::kLmEval : HellaswagStyle::kLlmc);
    if (!lm_eval_) return read_hellaswag_bin(file_, options.vocab_size, nullptr);
    log_warning(file_ + ": its tokens are of llm.c's texts; lm-eval's clean-up needs the .jsonl");
    const auto tokenizer = options.tokenizer();
    return read_hellaswag_bin(file_, options.vocab_size, tokenizer.get());
  }

  std::string file_;
  std::int64_t context_;
  bool lm_eval_;
  std::vector<ChoiceExample> examples_;
  mutable bool said_cut_ = false;
};

class LambadaTask : public TaskFile {
 public:
  LambadaTask(const std::string& file, const TaskOptions& options)
      : context_(options.context), examples_(read_lambada(file, *options.tokenizer())) {
    keep_first(examples_, options.limit);
    for (std::size_t i = 0; i < examples_.size(); ++i)
      require_fit(file, i, examples_[i].context, examples_[i].word, context_);
  }

  Values score(const Scorer& scorer, std::int64_t batch,
               const EvalProgress& progress) const override {
    const LastWordScore result = score_last_words(examples_, context_, batch, scorer, progress);
    return {{"examples", result.examples},
            {"acc", result.accuracy()},
            {"acc_stderr", standard_error(result.right, result.examples)},
            {"perplexity", result.perplexity()}};
  }
  const char* measure() const override { return "acc"; }
  std::vector<std::string> curves() const override { return {"acc", "perplexity"}; }
  std::string sentence(const Values& values) const override {
    return format("acc %.4f +- %.4f, perplexity %.4f over %s last words", real(values, "acc"),
                  real(values, "acc_stderr"), real(values, "perplexity"),
                  whole(values, "examples").c_str());
  }

 private:
  std::int64_t context_;
  std::vector<LastWord> examples_;
};

std::int64_t byte_count(const Tokenizer& tokenizer, std::int64_t token) {
  if (tokenizer.end_of_text() && token == *tokenizer.end_of_text()) return 0;
  std::string bytes;
  tokenizer.append_text(token, bytes);
  return static_cast<std::int64_t>(bytes.size());
}

// A text in windows, wherever its tokens are.
class WindowsTask : public TaskFile {
 public:
  Values score(const Scorer& scorer, std::int64_t batch,
               const EvalProgress& progress) const override {
    PerplexityOptions options = options_;
    options.batch = batch;
    const Perplexity result = perplexity(source_, file_, options, scorer, progress);
    Values values{{"tokens", result.tokens},    {"nats", result.nats},
                  {"loss", result.loss()},      {"perplexity", result.perplexity()},
                  {"context", options.context}, {"stride", options.stride}};
    if (result.bytes) values.emplace_back("bytes", *result.bytes);
    if (const auto bits = result.bits_per_byte()) values.emplace_back("bits_per_byte", *bits);
    if (const auto masked = result.masked_loss()) {
      values.emplace_back("masked_tokens", result.masked_tokens);
      values.emplace_back("masked_loss", *masked);
    }
    return values;
  }
  const char* measure() const override { return "loss"; }
  std::vector<std::string> curves() const override {
    return {"loss", "perplexity", "bits_per_byte"};
  }
  std::string sentence(const Values& values) const override {
    std::string text = format("loss %.4f nats a token, perplexity %.4f", real(values, "loss"),
                              real(values, "perplexity"));
    if (find_value(values, "bits_per_byte"))
      text += format(", %.4f bits a byte", real(values, "bits_per_byte"));
    const bool masks = find_value(values, "masked_loss");
    text += format(" over %s tokens%s (context %s, stride %s)", whole(values, "tokens").c_str(),
                   masks ? " that count" : "", whole(values, "context").c_str(),
                   whole(values, "stride").c_str());
    if (masks)
      text += format("; loss %.4f over the %s that do not", real(values, "masked_loss"),
                     whole(values, "masked_tokens").c_str());
    return text;
  }

 protected:
  WindowsTask(std::string file, const TaskOptions& options)
      : file_(std::move(file)),
        limit_(options.limit),
        options_{.context = options.context, .stride = options.stride} {}

  // Once the tokens are known.
  void begin(const TaskOptions& options, std::int64_t size) {
    source_.size = size;
    if (options.score_first) {
      if (!tokenizer_ || !tokenizer_->end_of_text())
        throw InputError("score_first: the tokenizer of " + options.model +
                         " has no <|endoftext|> to read before the text");
      options_.before = *tokenizer_->end_of_text();
    }
    const std::int64_t before = options_.before ? 1 : 0;
    if (size + before < 2)
      throw InputError(concat(file_, ": has ", size,
                              " token(s); the loss of a text needs at least ", 2 - before));
    if (limit_ > 0 && (size - options_.context) / options_.stride >= limit_ - 1)
      source_.size = std::min(size, options_.context + (limit_ - 1) * options_.stride + 1 - before);
  }

  std::string file_;
  std::int64_t limit_;
  PerplexityOptions options_;
  std::unique_ptr<Tokenizer> tokenizer_;
  TokenSource source_;
};

class TextTask : public WindowsTask {
 public:
  TextTask(const std::string& file, const TaskOptions& options) : WindowsTask(file, options) {
    tokenizer_ = options.tokenizer();
    tokenizer_->append_ids(task_text(file), file, tokens_);
    begin(options, std::ssize(tokens_));
    source_.copy = [this](std::int64_t begin, std::int64_t count, std::int64_t* out) {
      std::copy_n(tokens_.begin() + begin, count, out);
    };
    source_.bytes = [this](std::int64_t token) { return byte_count(*tokenizer_, token); };
  }

 private:
  std::vector<std::int32_t> tokens_;
};

class TokensTask : public WindowsTask {
 public:
  TokensTask(const std::string& file, const TaskOptions& options)
      : WindowsTask(file, options), tokens_(file, /*block_size=*/1, options.vocab_size) {
    // Losses need no tokenizer.
    try {
      tokenizer_ = options.tokenizer();
    } catch (const InputError& error) {
      if (options.bytes_needed) throw;
      log_warning(std::string(error.what()) + "; so bytes are not counted");
    }
    begin(options, tokens_.size());
    source_.copy = [this](std::int64_t begin, std::int64_t count, std::int64_t* out) {
      tokens_.copy(begin, count, out);
    };
    if (options.loss_mask) open_mask(options.score_first ? 0 : 1);
    if (!tokenizer_) return;
    for (std::int64_t token = 0; token < tokenizer_->vocab_size(); ++token)
      bytes_.push_back(byte_count(*tokenizer_, token));
    source_.bytes = [this](std::int64_t token) {
      return token < std::ssize(bytes_) ? bytes_[static_cast<std::size_t>(token)] : 0;
    };
  }

 private:
  // `first`: the first token that is scored.
  void open_mask(std::int64_t first) {
    tokens_.open_masks();
    if (!tokens_.has_masks()) return;
    if (tokens_.counted(first, source_.size - first) == 0)
      throw InputError(concat(TokenMask::path_beside(file_).string(), ": says that none of the ",
                              source_.size - first,
                              " tokens counts, so there is no loss; count all with "
                              "--loss_mask=off"));
    source_.counted = [this](std::int64_t begin, std::int64_t count) {
      const auto part = std::make_unique<bool[]>(static_cast<std::size_t>(count));
      tokens_.copy_mask(begin, count, part.get());
      return std::vector<bool>(part.get(), part.get() + count);
    };
  }

  TokenFile tokens_;
  std::vector<std::int64_t> bytes_;  // of each token
};

}  // namespace

std::string task_text(const std::string& file) {
  constexpr std::uint64_t kLargest = 256 << 20;  // its tokens take several times as much
  return read_small_file(file, kLargest, "a text (prepare a larger one and give its .bin)");
}

std::string task_of(const std::string& file) {
  if (file.ends_with(".bin")) return is_hellaswag_bin(file) ? "hellaswag" : "tokens";
  if (!file.ends_with(".jsonl")) return "text";
  const std::string text = task_text(file);
  const std::string first = text.substr(0, text.find('\n'));
  if (first.find("\"endings\"") != first.npos) return "hellaswag";
  if (first.find("\"text\"") != first.npos) return "lambada";
  throw InputError(file +
                   ": which task is this? Expected HellaSwag's lines with \"endings\", or "
                   "LAMBADA's with \"text\"");
}

std::unique_ptr<TaskFile> open_task(const std::string& task, const std::string& file,
                                    const TaskOptions& options) {
  if (task == "hellaswag") return std::make_unique<HellaswagTask>(file, options);
  if (task == "lambada") return std::make_unique<LambadaTask>(file, options);
  if (task == "tokens") return std::make_unique<TokensTask>(file, options);
  return std::make_unique<TextTask>(file, options);
}

}  // namespace gpt
