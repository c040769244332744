// `gpttrain eval` from outside, against the plain model in float64.
#include <algorithm>
#include <cmath>
#include <sstream>

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpt/base/files.h"
#include "gpt/base/strings.h"
#include "gpt/checkpoint/run_state.h"
#include "gpt/model/gpt.h"
#include "gpt/text/tokenizer_files.h"
#include "gpt/train/run_start.h"

#include "support/child.h"
#include "support/tensor_near.h"
#include "support/tiny_config.h"

namespace gpt {
namespace {

using namespace std::string_literals;

using nlohmann::json;
using testing::Finished;
using testing::prepare_tiny;
using testing::run;
using testing::TempDir;
using testing::tiny_training;

class Eval : public ::testing::Test {
 protected:
  void SetUp() override {
    prepare_tiny(dir_);
    ASSERT_EQ(run(dir_, tiny_training({"--out_dir=out", "--max_iters=20"})).code, 0);
  }
  Finished eval(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments{"eval", "--out_dir=out", "--device=cpu", "--threads=1"};
    for (const std::string& argument : more) arguments.push_back(argument);
    return run(dir_, arguments);
  }
  json result(std::vector<std::string> more) const {
    more.emplace_back("--json");
    const Finished finished = eval(more);
    EXPECT_EQ(finished.code, 0) << finished.err;
    return json::parse(finished.out);
  }
  TempDir dir_;
};

// The checkpoint as a plain model in float64, and its losses token by token.
struct Oracle {
  explicit Oracle(const fs::path& out_dir)
      : checkpoint(*CheckpointStore(out_dir, 2).newest_good()),
        saved(saved_config(checkpoint)),
        tokenizer(tokenizer_of_meta(checkpoint.manifest.vocabulary_json, "meta")),
        model(saved.model, saved.model.vocab_size.or_else(0), saved.data.block_size, generator) {
    load_model(checkpoint.path, model);
    model.to(at::kDouble);
  }
  // Of `token` after `before`: its loss, and whether it is the likeliest.
  std::pair<double, bool> score(std::vector<std::int64_t> before, std::int64_t token) const {
    const at::NoGradGuard no_grad;
    const at::Tensor logits = model.next_logits(at::tensor(before).unsqueeze(0))[0];
    return {-at::log_softmax(logits, 0)[token].item<double>(),
            logits.argmax().item<std::int64_t>() == token};
  }
  double loss(const std::string& context, const std::string& ending) const {
    std::vector<std::int64_t> seen = tokenizer->encode(context, "");
    double sum = 0;
    for (const std::int64_t token : tokenizer->encode(ending, "")) {
      sum += score(seen, token).first;
      seen.push_back(token);
    }
    return sum;
  }
  CheckpointInfo checkpoint;
  TrainConfig saved;
  std::unique_ptr<Tokenizer> tokenizer;
  at::Generator generator = testing::generator(1);
  Gpt model;
};

TEST_F(Eval, PerplexityOfATextByWindows) {
  const std::string text = "the quick brown dog jumps over the lazy fox\nand so on";
  dir_.write("a.txt", text.substr(0, 43));
  const Oracle oracle(dir_ / "out");
  const auto tokens = oracle.tokenizer->encode(text.substr(0, 43), "");
  constexpr std::int64_t kContext = 12, kStride = 5;
  double nats = 0;
  for (std::size_t t = 1; t < 43; ++t) {
    // Windows end at 12, 17, 22, ...: the one that scores t reads from 12 before its end.
    const auto place = static_cast<std::int64_t>(t);
    const std::int64_t last = place <= kContext
                                  ? kContext
                                  : kContext + (place - kContext + kStride - 1) / kStride * kStride;
    const std::int64_t begin = std::min<std::int64_t>(last, 42) - kContext;
    nats += oracle.score({tokens.begin() + begin, tokens.begin() + place}, tokens[t]).first;
  }
  for (const char* batch : {"--eval_batch_size=1", "--eval_batch_size=auto"}) {
    const json r = result({"a.txt", "--context=12", "--stride=5", batch});
    EXPECT_EQ(r.at("tokens"), 42);
    EXPECT_EQ(r.at("bytes"), 42);
    EXPECT_NEAR(r.at("nats"), nats, 1e-4);
    EXPECT_NEAR(r.at("perplexity"), std::exp(nats / 42), 1e-4);
    EXPECT_NEAR(r.at("bits_per_byte"), nats / 42 / std::log(2.0), 1e-5);
  }
  // The same tokens from a .bin.
  std::string bytes;
  for (const std::int64_t token : tokens) bytes += {static_cast<char>(token), '\0'};
  dir_.write("a.bin", bytes);
  const json r = result({"a.bin", "--context=12", "--stride=5"});
  EXPECT_EQ(r.at("task"), "tokens");
  EXPECT_EQ(r.at("bytes"), 42);
  EXPECT_NEAR(r.at("nats"), nats, 1e-4);
}

// As a run's own evaluations do: targets that count, and the others apart.
TEST_F(Eval, AMaskSaysWhichTargetsCount) {
  const std::string text = "the quick brown dog jumps";
  const Oracle oracle(dir_ / "out");
  const auto tokens = oracle.tokenizer->encode(text, "");
  std::string bytes, mask;
  double nats[2] = {};
  std::int64_t count[2] = {};
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    bytes += {static_cast<char>(tokens[t]), '\0'};
    const bool counts = t % 3 == 1;
    mask += static_cast<char>(counts);
    if (t == 0) continue;
    const auto place = static_cast<std::int64_t>(t);
    nats[counts] += oracle.score({tokens.begin(), tokens.begin() + place}, tokens[t]).first;
    ++count[counts];
  }
  dir_.write("data/answers/val.bin", bytes);
  const json whole = result({"data/answers/val.bin", "--context=32"});
  EXPECT_NEAR(whole.at("nats"), nats[0] + nats[1], 1e-4);
  EXPECT_FALSE(whole.contains("masked_loss"));
  dir_.write("data/answers/val.mask", mask);
  for (const char* input : {"data/answers/val.bin", "data/answers"}) {
    const json r = result({input, "--context=32"});
    EXPECT_EQ(r.at("tokens"), count[1]);
    EXPECT_EQ(r.at("bytes"), count[1]);
    EXPECT_NEAR(r.at("nats"), nats[1], 1e-4);
    EXPECT_EQ(r.at("masked_tokens"), count[0]);
    EXPECT_NEAR(r.at("masked_loss"), nats[0] / static_cast<double>(count[0]), 1e-4);
  }
  EXPECT_EQ(result({"data/answers", "--context=32", "--loss_mask=off"}), whole);
  EXPECT_NE(eval({"data/answers"}).out.find(" over 8 tokens that count (context 32"),
            std::string::npos);
  dir_.write("data/answers/val.mask", std::string(mask.size(), '\0'));
  const Finished none = eval({"data/answers"});
  EXPECT_EQ(none.code, 2);
  EXPECT_NE(none.err.find("--loss_mask=off"), std::string::npos) << none.err;
  EXPECT_NE(eval({"data"}).err.find("a folder without val.bin"), std::string::npos);
}

TEST_F(Eval, BytesAreTheTextsNotItsTokens) {
  const std::string text = "caf\u00e9 \u4f60\u597d \U0001F600 caf\u00e9\n";  // 15 characters
  std::string much;
  for (int i = 0; i < 100; ++i) much += text;
  dir_.write("much.txt", much);
  dir_.write("a.txt", text);
  ASSERT_EQ(run(dir_, {"prepare", "--out=data/cafe", "much.txt"}).code, 0);
  ASSERT_EQ(run(dir_, tiny_training({"--dataset=cafe", "--out_dir=cafe", "--max_iters=2"})).code,
            0);
  for (const char* input : {"a.txt", "data/cafe/val.bin"}) {
    const json r = result({input, "--out_dir=cafe"});
    EXPECT_GT(r.at("bytes"), r.at("tokens"));
    EXPECT_NEAR(r.at("bits_per_byte"),
                r.at("nats").get<double>() / std::log(2.0) / r.at("bytes").get<double>(), 1e-9);
    if (r.at("task") != "text") continue;
    EXPECT_EQ(r.at("tokens"), 14);
    EXPECT_EQ(r.at("bytes"), text.size() - 1);  // nothing is before the first token
  }
}

// llm.c's file with one example; see hellaswag.h.
std::string hellaswag_file(const Tokenizer& tokenizer, const std::string& context,
                           const std::vector<std::string>& endings, std::size_t label) {
  std::vector<std::uint16_t> words{65535, 0, 0, static_cast<std::uint16_t>(label),
                                   static_cast<std::uint16_t>(endings.size())};
  const auto add = [&](const std::string& text) {
    const auto tokens = tokenizer.encode(text, "");
    words.push_back(static_cast<std::uint16_t>(tokens.size()));
    words.insert(words.end(), tokens.begin(), tokens.end());
  };
  add(context);
  for (const std::string& ending : endings) add(" " + ending);
  words[1] = static_cast<std::uint16_t>(2 * words.size());
  std::vector<std::int32_t> header(256);
  header[0] = 20240522;
  header[1] = header[2] = 1;
  return std::string(reinterpret_cast<const char*>(header.data()), 1024) +
         std::string(reinterpret_cast<const char*>(words.data()), 2 * words.size());
}

TEST_F(Eval, HellaswagInBothStyles) {
  const Oracle oracle(dir_ / "out");
  const std::vector<std::string> endings{"jumps", "fox over the", "lazy dog", "x"};
  std::vector<double> sum, mean, per_character;
  for (const std::string& ending : endings) {
    sum.push_back(oracle.loss("the quick", " " + ending));
    mean.push_back(sum.back() / static_cast<double>(ending.size() + 1));
    per_character.push_back(sum.back() / static_cast<double>(ending.size()));
  }
  const auto chosen = [](const std::vector<double>& list) {
    return static_cast<std::size_t>(std::min_element(list.begin(), list.end()) - list.begin());
  };
  ASSERT_NE(chosen(sum), chosen(mean));  // or the rules could be mixed up unseen
  for (const std::size_t label : {chosen(sum), chosen(mean)}) {
    const json line{{"ctx", "the quick"}, {"label", label}, {"endings", endings}};
    dir_.write("h.jsonl", line.dump());
    dir_.write("h.bin", hellaswag_file(*oracle.tokenizer, "the quick", endings, label));
    for (const char* file : {"h.jsonl", "h.bin"}) {
      const json r = result({file});
      EXPECT_EQ(r.at("task"), "hellaswag");
      EXPECT_EQ(r.at("acc"), chosen(sum) == label ? 1.0 : 0.0);
      EXPECT_EQ(r.at("acc_norm"), chosen(mean) == label ? 1.0 : 0.0);
    }
    const json r = result({"h.bin", "--style=lm-eval"});
    EXPECT_EQ(r.at("acc"), chosen(sum) == label ? 1.0 : 0.0);
    EXPECT_EQ(r.at("acc_norm"), chosen(per_character) == label ? 1.0 : 0.0);
  }
}

TEST_F(Eval, LastWordsOfLambada) {
  const Oracle oracle(dir_ / "out");
  const std::vector<std::string> contexts{"the quick", "jumps over"}, words{" brown", " the"};
  std::string lines;
  double nats = 0;
  int right = 0;
  for (std::size_t i = 0; i < 2; ++i) {
    lines += json{{"text", contexts[i] + words[i]}}.dump() + "\n";
    nats += oracle.loss(contexts[i], words[i]);
    auto seen = oracle.tokenizer->encode(contexts[i], "");
    bool all = true;
    for (const std::int64_t token : oracle.tokenizer->encode(words[i], "")) {
      all = all && oracle.score(seen, token).second;
      seen.push_back(token);
    }
    right += all;
  }
  dir_.write("l.jsonl", lines);
  const json r = result({"l.jsonl", "--task=lambada"});
  EXPECT_EQ(r.at("examples"), 2);
  EXPECT_EQ(r.at("acc"), right / 2.0);
  EXPECT_NEAR(r.at("perplexity"), std::exp(nats / 2), 1e-3 * std::exp(nats / 2));
}

// val.bin is one window long, so that the run's evaluation, its task and `gpttrain eval` are of the
// same targets.
TEST(EvalOfDocuments, IsWhatTheRunThatKeptThemApartSays) {
  const TempDir dir;
  auto tokens = testing::made_up_tokens(0, 200);
  for (std::size_t i = 5; i < tokens.size(); i += 6) tokens[i] = 50256;
  dir.write_tokens("data/tiny/train.bin", tokens);
  tokens.resize(17);
  dir.write_tokens("data/tiny/val.bin", tokens);
  std::vector<double> found;
  for (const char* mask : {"True", "False"}) {
    const auto trained = run(
        dir, tiny_training({"--out_dir=out", "--block_size=16", "--batch_size=2", "--max_iters=20",
                            "--learning_rate=0.01", "--eval_interval=20", "--overwrite=True",
                            "--task_files=data/tiny/val.bin", concat("--document_mask=", mask)}));
    ASSERT_EQ(trained.code, 0) << trained.err;
    double evaluated = 0, task = 0;
    std::istringstream lines(read_file(dir / "out/metrics.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      const json event = json::parse(line);
      if (event.value("iter", -1) != 20) continue;
      if (event.at("event") == "eval") evaluated = event.at("val/loss");
      if (event.at("event") == "task") task = event.at("val/loss");
    }
    EXPECT_NEAR(task, evaluated, 1e-5);
    for (const std::string& from :
         {"--checkpoint=out/step_00000020"s, "--init_from=out/step_00000020"s}) {
      const auto finished = run(dir, {"eval", "--out_dir=out", "--device=cpu", "--threads=1", from,
                                      "data/tiny/val.bin", "--json"});
      ASSERT_EQ(finished.code, 0) << finished.err;
      EXPECT_NEAR(json::parse(finished.out).at("loss"), evaluated, 1e-5) << mask << from;
    }
    found.push_back(evaluated);
  }
  EXPECT_GT(std::abs(found[0] - found[1]), 1e-3);
}

TEST_F(Eval, WrongInputIsOneLine) {
  dir_.write("short.txt", "t");
  dir_.write("foreign.txt", "THE");
  dir_.write("broken.jsonl", "{\"endings\": [\"a\"], \"label\": 0, \"ctx\": \"the\"}\n{");
  dir_.write("plain.jsonl", "{\"text\": \"the fox\"}");
  dir_.write("large.bin", std::string("\x01\x00\x63\x00\x01\x00", 6));
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
      {{}, "nothing to evaluate"},
      {{"none.txt"}, "none.txt: no such file"},
      {{"short.txt"}, "short.txt: has 1 token(s)"},
      {{"foreign.txt"}, "foreign.txt: character 1 is 'T'"},
      {{"broken.jsonl"}, "broken.jsonl:2: not valid JSON"},
      {{"plain.jsonl"}, "plain.jsonl: which task is this?"},
      {{"large.bin"}, "large.bin: token 1 (byte 2) is 99, but vocab_size is 28"},
      {{"short.txt", "--context=64"}, "the model reads at most 32 tokens"},
      {{"short.txt", "--context=8", "--stride=9"}, "expected at most context (8)"},
      {{"fox.txt", "--score_first"}, "has no <|endoftext|>"},
      {{"short.txt", "--checkpoint=out/none"}, "out/none: no such checkpoint"},
  };
  for (const auto& [arguments, text] : cases) {
    const Finished refused = eval(arguments);
    EXPECT_EQ(refused.code, 2) << text << "\n" << refused.out;
    EXPECT_NE(refused.err.find(text), std::string::npos) << refused.err;
  }
}

}  // namespace
}  // namespace gpt
