// `gpttrain sample` from outside.
#include <algorithm>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/child.h"
#include "support/shell.h"

namespace gpt {
namespace {

using testing::Finished;
using testing::prepare_tiny;
using testing::run;
using testing::TempDir;
using testing::tiny_training;

const std::string kLine = "\n---------------\n";

class Sample : public ::testing::Test {
 protected:
  void SetUp() override {
    prepare_tiny(dir_);
    ASSERT_EQ(run(dir_, tiny_training({"--out_dir=out", "--max_iters=5"})).code, 0);
  }
  Finished sample(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments{"sample", "--out_dir=out", "--device=cpu", "--threads=1"};
    for (const std::string& argument : more) arguments.push_back(argument);
    return run(dir_, arguments);
  }
  TempDir dir_;
};

std::vector<std::string> texts(const std::string& out) {
  std::vector<std::string> list;
  for (std::size_t at = 0; at < out.size();) {
    const std::size_t end = out.find(kLine, at);
    if (end == out.npos) break;
    list.push_back(out.substr(at, end - at));
    at = end + kLine.size();
  }
  return list;
}

TEST_F(Sample, TogetherOrOneByOneTheTextsAreTheSame) {
  for (const char* draws : {"--draws=nanogpt", "--draws=seed"}) {
    const auto with = [&](const char* more) {
      return sample({"--num_samples=5", "--max_new_tokens=70", "--start=the ", draws, more});
    };
    const Finished together = with("--samples_at_once=auto");
    ASSERT_EQ(together.code, 0) << together.err;
    ASSERT_EQ(texts(together.out).size(), 5u);
    for (const auto& text : texts(together.out)) EXPECT_EQ(text.size(), 74u);
    EXPECT_EQ(with("--samples_at_once=1").out, together.out);
    EXPECT_EQ(with("--samples_at_once=2").out, together.out);
    EXPECT_NE(together.err.find("new: 350 token(s) in "), std::string::npos) << together.err;
  }
}

// Limits from ample to impossible: the texts are the same as long as one sample fits.
TEST_F(Sample, ALimitIsMetWithFewerSamplesAndInTheEndNamed) {
  const auto within = [&](const char* limit) {
    return sample({"--num_samples=32", "--max_new_tokens=28", "--start=the ",
                   std::string("--memory_limit=") + limit});
  };
  const Finished ample = within("auto");
  ASSERT_EQ(ample.code, 0) << ample.err;
  int met = 0, refused = 0;
  for (const char* limit : {"4MiB", "2MiB", "1MiB", "700K", "500K", "350K", "1K"}) {
    const Finished finished = within(limit);
    const bool smaller = finished.err.find("; it continues with ") != std::string::npos;
    if (finished.code == 0) {
      EXPECT_EQ(finished.out, ample.out) << limit;
      met += smaller;
      continue;
    }
    ++refused;
    EXPECT_EQ(finished.code, 1) << limit;
    EXPECT_NE(finished.err.find(" MiB were missing, and nothing is left to make smaller"),
              std::string::npos)
        << finished.err;
  }
  EXPECT_GT(met, 0);
  EXPECT_GT(refused, 0);
}

TEST_F(Sample, PromptFromAFileStopTokenAndTopP) {
  dir_.write("prompt.txt", "the lazy");
  const Finished filed = sample({"--start=FILE:prompt.txt", "--num_samples=1"});
  ASSERT_EQ(filed.code, 0) << filed.err;
  EXPECT_EQ(filed.out, sample({"--start=the lazy", "--num_samples=1"}).out);
  EXPECT_EQ(filed.out.rfind("the lazy", 0), 0u);

  const Finished stopped =
      sample({"--start=the lazy", "--stop=e", "--num_samples=3", "--max_new_tokens=500"});
  ASSERT_EQ(stopped.code, 0) << stopped.err;
  for (const auto& text : texts(stopped.out))
    EXPECT_EQ(text.substr(8).find('e'), std::string::npos) << text;
  // Character e is token 6 of this vocabulary (newline and space come first).
  EXPECT_EQ(sample({"--start=the lazy", "--stop=ID:6", "--num_samples=3"}).out, stopped.out);

  const Finished greedy = sample({"--top_p=0.000001", "--num_samples=2", "--max_new_tokens=9"});
  ASSERT_EQ(texts(greedy.out).size(), 2u);
  EXPECT_EQ(texts(greedy.out)[0], texts(greedy.out)[1]);
}

TEST_F(Sample, GreedyIsTheSameTextWhateverTheSeed) {
  const Finished zero = sample({"--start=the", "--temperature=0", "--num_samples=2"});
  ASSERT_EQ(zero.code, 0) << zero.err;
  ASSERT_EQ(texts(zero.out).size(), 2u);
  EXPECT_EQ(texts(zero.out)[0], texts(zero.out)[1]);
  for (const std::string other : {"--top_k=1", "--top_p=0", "--temperature=0.0"})
    EXPECT_EQ(sample({"--start=the", other, "--num_samples=2", "--seed=7"}).out, zero.out) << other;
  EXPECT_NE(
      sample({"--start=the", "--temperature=0", "--repetition_penalty=50", "--num_samples=2"}).out,
      zero.out);
}

TEST_F(Sample, APromptFileIsReadInTextMode) {
  dir_.write("windows.txt", "\xEF\xBB\xBFthe lazy dog\r\nthe");
  dir_.write("unix.txt", "the lazy dog\nthe");
  const Finished windows = sample({"--start=FILE:windows.txt", "--num_samples=1"});
  ASSERT_EQ(windows.code, 0) << windows.err;
  EXPECT_EQ(windows.out, sample({"--start=FILE:unix.txt", "--num_samples=1"}).out);
}

TEST_F(Sample, InteractiveContinuesEachLine) {
  const std::string command =
      "$GPT sample --out_dir=out --device=cpu --threads=1 --interactive=True --temperature=0 "
      "--max_new_tokens=12";
  const Finished answered = testing::shell(dir_, "printf 'the\\nTHE\\n\\nthe' | " + command);
  ASSERT_EQ(answered.code, 0) << answered.err;
  const auto greedy = texts(
      sample({"--start=the", "--temperature=0", "--num_samples=1", "--max_new_tokens=12"}).out);
  const std::string answer = greedy.at(0).substr(3) + "\n";
  EXPECT_EQ(answered.out, answer + answer);
  EXPECT_NE(answered.err.find("error: the line: character 1 is 'T'"), std::string::npos)
      << answered.err;
}

TEST_F(Sample, WrongInputIsOneLine) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
      {{"--start=THE"}, "command line: start: character 1 is 'T'"},
      {{"--start=FILE:none.txt"}, "none.txt"},
      {{"--start=FILE:empty.txt"}, "start: the text is empty"},
      {{"--stop=the"}, "the text of one token, but this one takes 3"},
      {{"--stop=ID:28"}, "a number below 28"},
      {{"--stop=ID:x"}, "a number below 28"},
      {{"--checkpoint=out/step_9"}, "out/step_9: no such checkpoint"},
      {{"--tokenizer=none.json"}, "none.json"},
      {{"--top_p=1.5"}, "top_p"},
      {{"--temperature=-1"}, "temperature"},
      {{"--repetition_penalty=0"}, "repetition_penalty"},
  };
  dir_.write("empty.txt", "");
  for (const auto& [arguments, text] : cases) {
    const Finished refused = sample(arguments);
    EXPECT_EQ(refused.code, 2) << text;
    EXPECT_EQ(std::count(refused.err.begin(), refused.err.end(), '\n'), 1) << refused.err;
    EXPECT_NE(refused.err.find(text), std::string::npos) << refused.err;
  }
}

}  // namespace
}  // namespace gpt
