// Instruction data: which text of a row is an answer, and the masks that `prepare` writes of it.
#include <memory>

#include <gtest/gtest.h>

#include "gpt/base/checksum.h"
#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/strings.h"
#include "gpt/dataprep/chunk_encoder.h"
#include "gpt/dataprep/json_text.h"
#include "gpt/dataprep/prepare.h"

#include "dataprep/pair_tokenizer.h"
#include "support/error_text.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::names_in;
using testing::TempDir;

constexpr const char* kChatMl = "<|im_start|>{role}\\n{content}<|im_end|>\\n";

// The row's text with its answers in «».
std::string marked(const std::string& line, const RowPattern& pattern) {
  const RowText row = read_json_text(line, pattern, "rows");
  std::string out;
  std::size_t at = 0;
  for (const TextSpan& answer : row.answers) {
    out += row.text.substr(at, answer.begin - at) + "«" +
           row.text.substr(answer.begin, answer.end - answer.begin) + "»";
    at = answer.end;
  }
  return out + row.text.substr(at);
}

std::string problem(const std::string& line, const RowPattern& pattern) {
  return error_text<InputError>([&] { read_json_text(line, pattern, "rows"); });
}

TEST(Answers, AreWhatTheAnswerKeysHoldAndWhatFollowsTheLast) {
  const auto of = [](const char* text, const char* keys) {
    return RowPattern::of_template(text, keys);
  };
  const std::string row = R"({"q": "Why?", "a": "So.", "n": 7})";
  EXPECT_EQ(marked(row, of("Q: {q}\\nA: {a}", "a")), "Q: Why?\nA: «So.»");
  EXPECT_EQ(marked(row, of("{a} <- {q}", "a")), "«So.» <- Why?");
  EXPECT_EQ(marked(row, of("{q}{a}!\\n", "a")), "Why?«So.!\n»");
  EXPECT_EQ(marked(row, of("{q}|{a}{n}|", "a, n")), "Why?|«So.7|»");
  EXPECT_EQ(marked(row, of("{q}|{a}", "")), "Why?|So.");
  EXPECT_EQ(marked(R"({"q": "", "a": ""})", of("{q}{a}", "a")), "«»");
}

TEST(Answers, ASectionIsLeftOutWithoutItsKey) {
  const RowPattern alpaca = RowPattern::of_template("alpaca");
  EXPECT_EQ(marked(R"({"instruction": "Add.", "input": "1 2", "output": "3"})", alpaca),
            "### Instruction:\nAdd.\n\n### Input:\n1 2\n\n### Response:\n«3»");
  const std::string without = "### Instruction:\nAdd.\n\n### Response:\n«3»";
  for (const char* input : {R"("input": "", )", R"("input": null, )", ""})
    EXPECT_EQ(marked(concat(R"({"instruction": "Add.", )", input, R"("output": "3"})"), alpaca),
              without)
        << input;
  EXPECT_NE(problem(R"({"instruction": "Add."})", alpaca).find("a text at key \"output\""),
            std::string::npos);
  EXPECT_EQ(marked(R"({"prompt": "1+1=", "completion": "2"})",
                   RowPattern::of_template("prompt_completion")),
            "1+1=«2»");
}

TEST(Answers, ATemplateSaysWhatIsWrongWithIt) {
  const auto of = [](const char* text, const char* keys = "") {
    return error_text<InputError>([&] { RowPattern::of_template(text, keys); });
  };
  EXPECT_EQ(of("{q}{a}", "b"), "answer_keys: 'b' is no key of text_template; it has q, a");
  EXPECT_EQ(of("{#q}{a}"), "text_template: expected {/q} behind {#q}");
  EXPECT_EQ(of("{a}{/q}"), "text_template: {/q} at column 4 ends nothing; expected {#q} before it");
  EXPECT_NE(of("{#q}{#a}{/a}{/q}").find("is inside of {#q}"), std::string::npos);
  EXPECT_NE(of("{#}").find("expected a key"), std::string::npos);
  for (const char* lines : {"{#a\nb}", "{#a}{#b\nc}", "{/a\nb}{c}"})
    EXPECT_EQ(of(lines).find('\n'), std::string::npos) << lines;
  EXPECT_NE(of("alpacas").find("alpaca, prompt_completion or chat"), std::string::npos);
  for (const char* message : {"{role}", "{content}{name}", "no key", "{"})
    EXPECT_EQ(error_text<InputError>([&] {
                RowPattern::of_messages(message);
              }).find("message_template: "),
              0u)
        << message;
}

TEST(Answers, OfAConversationAreTheAssistantsMessages) {
  const RowPattern chat = RowPattern::of_messages(kChatMl);
  const std::string wanted =
      "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
      "<|im_start|>assistant\n«Hello<|im_end|>\n»<|im_start|>user\nBye<|im_end|>\n"
      "<|im_start|>assistant\n«Bye!<|im_end|>\n»";
  EXPECT_EQ(marked(R"({"id": 1, "messages": [{"role": "system", "content": "Be brief."},
      {"role": "user", "content": [{"type": "text", "text": "H"}, "i"]},
      {"content": "Hello", "role": "assistant", "extra": {"a": [1]}},
      {"role": "user", "content": "Bye"}, {"role": "assistant", "content": "Bye!", "weight": 1}]})",
                   chat),
            wanted);
  EXPECT_EQ(marked(R"({"conversations": [{"from": "system", "value": "Be brief."},
      {"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"},
      {"from": "human", "value": "Bye"}, {"from": "gpt", "value": "Bye!"}]})",
                   chat),
            wanted);
  EXPECT_EQ(marked(R"({"messages": [{"role": "assistant", "content": "a", "weight": 0},
      {"role": "assistant", "content": "b"}]})",
                   RowPattern::of_messages("{content}")),
            "a«b»");
}

TEST(Answers, AConversationThatIsNoneIsRefused) {
  const RowPattern chat = RowPattern::of_messages(kChatMl);
  EXPECT_EQ(problem(R"({"text": "a"})", chat),
            "rows: expected a JSON object with a list of messages at key \"messages\" or "
            "\"conversations\", found only the keys 'text'; of other rows --text_template and "
            "--answer_keys name the parts");
  EXPECT_NE(problem(R"({"messages": [{"role": "user", "content": "a"}]})", chat)
                .find("expected a message of the assistant, found none among 1 messages"),
            std::string::npos);
  for (const char* messages :
       {R"("a")", R"(["a"])", R"([{"role": "user"}])", R"([{"content": "a"}])",
        R"([{"role": 1, "content": "a"}])", R"([{"role": "assistant", "content": null}])",
        R"([{"role": "assistant", "content": [{"type": "image_url"}]}])"})
    EXPECT_NE(problem(concat(R"({"messages": )", messages, "}"), chat), "") << messages;
}

class Masks : public ::testing::Test {
 protected:
  PrepareRequest request(const std::string& out = "out") const {
    return {.inputs = {folder_ / "rows.jsonl"},
            .out_dir = folder_ / out,
            .tokenizer = std::make_shared<PairTokenizer>(),
            .val_fraction = 0.25,
            .text_template = "ask{q}reply{a}",
            .answer_keys = "a",
            .threads = 2};
  }

  void write_rows(int count) const {
    std::string rows;
    for (int i = 0; i < count; ++i)
      rows += concat("{\"q\": \"why", std::string(static_cast<std::size_t>(i % 5), 'x'),
                     "\", \"a\": \"so", std::string(static_cast<std::size_t>(i % 3), 'y'), "\"}\n");
    folder_.write("rows.jsonl", rows);
  }

  // The tokens of a split, in «» where they count; <|endoftext|> is a '$'.
  std::string split_text(const std::string& out, const std::string& name) const {
    const std::string tokens = read_file(folder_ / out / (name + ".bin")),
                      mask = read_file(folder_ / out / (name + ".mask"));
    EXPECT_EQ(tokens.size(), 2 * mask.size());
    std::string text;
    bool counts = false;
    for (std::size_t i = 0; i < mask.size(); ++i) {
      if ((mask[i] != 0) != counts) text += counts ? "»" : "«";
      counts = mask[i] != 0;
      const std::int32_t id = token_at(tokens, 2, i);
      id == 256 ? text.push_back('$') : PairTokenizer().append_text(id, text);
    }
    return text + (counts ? "»" : "");
  }

  const TempDir folder_;
};

// The tokenizer would join the letters of prompt and answer.
TEST_F(Masks, HoldTheAnswersAndTheEndOfTextBehindThem) {
  write_rows(4);
  const auto result = prepare(request());
  EXPECT_EQ(split_text("out", "train") + split_text("out", "val"),
            "askwhyreply«so$»askwhyxreply«soy$»askwhyxxreply«soyy$»askwhyxxxreply«so$»");
  const DatasetMeta meta = *read_dataset_meta(folder_ / "out");
  EXPECT_EQ(meta.train_counted + meta.val_counted, 2 + 3 + 3 + 2);
  EXPECT_EQ(meta.train_counted, result->meta.train_counted);
  EXPECT_EQ(meta.train_mask_crc32c, hex32(crc32c_of_file(folder_ / "out/train.mask")));
  EXPECT_EQ(meta.val_mask_crc32c, hex32(crc32c_of_file(folder_ / "out/val.mask")));
}

TEST_F(Masks, OfRowsThatAreFedAsCharactersEndWithTheLine) {
  write_rows(4);
  PrepareRequest asked = request();
  asked.tokenizer = nullptr;
  asked.val_fraction = 0;
  prepare(asked);
  const std::string mask = read_file(folder_ / "out/train.mask");
  std::string expected;
  for (const char* row :
       {"aaaaaaaaaaaccc", "aaaaaaaaaaaacccc", "aaaaaaaaaaaaaccccc", "aaaaaaaaaaaaaaccc"})
    for (const char* c = row; *c; ++c) expected.push_back(*c == 'c' ? 1 : 0);
  EXPECT_EQ(mask, expected);
  EXPECT_FALSE(file_exists(folder_ / "out/val.mask"));
}

TEST_F(Masks, GoWithTheDatasetThatTheyAreOf) {
  write_rows(40);
  prepare(request());
  PrepareRequest plain = request();
  plain.force = true;
  plain.answer_keys.clear();
  prepare(plain);
  EXPECT_EQ(names_in(folder_ / "out"),
            (std::set<std::string>{"train.bin", "val.bin", "meta.json", ".prepare.lock"}));
  const std::string meta = read_file(folder_ / "out/meta.json");
  EXPECT_EQ(meta.find("mask"), std::string::npos);
  EXPECT_EQ(meta.find("counted"), std::string::npos);
}

TEST_F(Masks, AreTheSameAfterAnInterruption) {
  write_rows(60000);
  prepare(request("whole"));
  PrepareRequest asked = request("stopped");
  asked.save_seconds = 0;
  int runs = 0;
  for (; runs < 50; ++runs) {
    asked.stop = [left = 4 + runs]() mutable { return left-- == 0; };
    if (prepare(asked)) break;
  }
  EXPECT_GT(runs, 0);
  for (const char* name : {"train.bin", "train.mask", "val.bin", "val.mask", "meta.json"})
    EXPECT_TRUE(read_file(folder_ / "whole" / name) == read_file(folder_ / "stopped" / name))
        << name;
}

TEST_F(Masks, WhatHasNoAnswersIsRefused) {
  write_rows(4);
  PrepareRequest asked = request();
  asked.split = "end";
  EXPECT_NE(error_text<InputError>([&] { prepare(asked); }).find("--split=end"), std::string::npos);
  asked = request();
  asked.text_template.clear();
  EXPECT_NE(error_text<InputError>([&] {
              prepare(asked);
            }).find("answer_keys: expected text_template to name"),
            std::string::npos);
  asked.text_template = "chat";
  EXPECT_NE(error_text<InputError>([&] { prepare(asked); }).find("chat knows its answers"),
            std::string::npos);
  asked = request();
  asked.inputs = {folder_.write("plain.txt", "a text\nof lines\n")};
  EXPECT_NE(error_text<InputError>([&] { prepare(asked); }).find("holds no JSON rows"),
            std::string::npos);
}

}  // namespace
}  // namespace gpt
