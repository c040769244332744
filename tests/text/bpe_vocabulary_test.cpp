#include "gpt/text/bpe_vocabulary.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "gpt/base/files.h"
#include "gpt/text/tokenizer_files.h"

#include "support/error_text.h"
#include "support/python.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::TempDir;

const std::string kMerges = "#version: 0.2\nt h\nth e\n\u0120 the\n\u00e9 a\n";

std::string merges_error(const std::string& merges) {
  return error_text([&] { parse_merges(merges, "m.txt"); });
}

std::string json_error(const std::string& json) {
  return error_text([&] { parse_merges(kMerges, "m.txt", json, "v.json"); });
}

std::string tokenizer_json_error(const std::string& json) {
  return error_text([&] { parse_tokenizer_json(json, "t.json"); });
}

std::string tiktoken_error(const std::string& text) {
  return error_text([&] { parse_tiktoken_vocabulary(text, "x.tiktoken"); });
}

// `vocabulary` in a tokenizer.json; `extra` are further keys of the whole and of the model.
std::string as_tokenizer_json(const BpeVocabulary& vocabulary, const std::string& extra = "",
                              const std::string& model_extra = "") {
  return R"({"added_tokens": [{"id": )" + std::to_string(*vocabulary.end_of_text) +
         R"(, "content": "<|endoftext|>", "special": true}], )" +
         R"("pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}, )" + extra +
         R"("model": {"type": "BPE", "merges": ["t h", ["th", "e"], "\u0120 the", "\u00e9 a"], )" +
         model_extra + R"("vocab": )" + vocabulary.vocab_json() + "}}";
}

void expect_equal(const BpeVocabulary& a, const BpeVocabulary& b) {
  EXPECT_EQ(a.vocab_json(), b.vocab_json());
  EXPECT_EQ(a.merges_txt(), b.merges_txt());
  EXPECT_EQ(a.byte_ids, b.byte_ids);
  EXPECT_EQ(a.end_of_text, b.end_of_text);
}

// The lines of all single bytes, with their values as ids.
std::string tiktoken_bytes() {
  const std::string letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string lines;
  for (std::size_t byte = 0; byte < 256; ++byte)
    lines += std::string{letters[byte / 4], letters[byte % 4 * 16]} + "== " + std::to_string(byte) +
             "\n";
  return lines;
}

bool has_sha256(const fs::path& file, const std::string& sum) {
  const std::string command = "echo '" + sum + "  " + file.string() + "' | sha256sum -c --status";
  return std::system(command.c_str()) == 0;
}

TEST(BpeVocabulary, MergesAloneAreNumberedAsInGpt2) {
  const BpeVocabulary vocabulary = parse_merges(kMerges, "m.txt");
  ASSERT_EQ(vocabulary.tokens.size(), 256u + 4 + 1);
  EXPECT_EQ(vocabulary.tokens[0], "!");
  EXPECT_EQ(vocabulary.tokens[93], "~");
  EXPECT_EQ(vocabulary.tokens[94], "\xa1");
  EXPECT_EQ(vocabulary.tokens[187], "\xff");
  EXPECT_EQ(vocabulary.tokens[188], std::string(1, '\0'));
  EXPECT_EQ(vocabulary.tokens[220], " ");
  EXPECT_EQ(vocabulary.tokens[255], "\xad");
  EXPECT_EQ(vocabulary.tokens[258], " the");
  EXPECT_EQ(vocabulary.tokens[259],
            "\xe9"
            "a");
  EXPECT_EQ(vocabulary.byte_ids[' '], 220);
  EXPECT_EQ(vocabulary.end_of_text, 260);
  EXPECT_EQ(vocabulary.merges[2].left, 220);
  EXPECT_EQ(vocabulary.merges[2].right, 257);
  EXPECT_EQ(vocabulary.merges[2].merged, 258);
  EXPECT_EQ(vocabulary.merges_txt(), kMerges);
  EXPECT_FALSE(vocabulary.is_gpt2());
}

TEST(BpeVocabulary, EveryFormGivesTheSame) {
  const BpeVocabulary vocabulary = parse_merges(kMerges, "m.txt");
  const std::string json = vocabulary.vocab_json();
  expect_equal(parse_merges(kMerges, "m.txt", json, "v.json"), vocabulary);
  expect_equal(parse_tokenizer_json(as_tokenizer_json(vocabulary), "t.json"), vocabulary);
  // Windows line ends, no header.
  expect_equal(parse_merges("t h\r\nth e\r\n\u0120 the\r\n\u00e9 a", "m.txt"), vocabulary);
}

TEST(BpeVocabulary, FilesAreKnownByTheirContentAndNeighbours) {
  const TempDir dir;
  const BpeVocabulary vocabulary = parse_merges(kMerges, "m.txt");
  replace_file(dir / "any.name", kMerges);
  expect_equal(read_bpe_vocabulary(dir / "any.name"), vocabulary);
  EXPECT_EQ(error_text([&] { read_bpe_vocabulary(dir.path()); }),
            dir.path().string() +
                ": expected tokenizer.json, vocab.bpe, merges.txt or gpt2.tiktoken in this "
                "folder");
  std::string swapped = vocabulary.vocab_json();
  const std::string before = R"({"!": 0, "\"": 1,)", after = R"({"\"": 0, "!": 1,)";
  swapped.replace(swapped.find(before), before.size(), after);
  replace_file(dir / "vocab.json", swapped);
  EXPECT_EQ(error_text([&] { read_bpe_vocabulary(dir / "vocab.json"); }),
            (dir / "vocab.json").string() +
                ": has the ids only; expected vocab.bpe or merges.txt next to it");
  replace_file(dir / "merges.txt", kMerges);
  for (const fs::path& path : {dir / "vocab.json", dir / "merges.txt", dir.path()})
    EXPECT_EQ(read_bpe_vocabulary(path).byte_ids['!'], 1);
  replace_file(dir / "tokenizer.json", as_tokenizer_json(vocabulary));
  EXPECT_EQ(read_bpe_vocabulary(dir.path()).byte_ids['!'], 0);
}

TEST(BpeVocabulary, OtherKindsOfTokenizersAreNamed) {
  const TempDir dir;
  const auto error = [&](const std::string& text) {
    replace_file(dir / "tokenizer.json", text);
    return error_text([&] { read_bpe_vocabulary(dir.path()); });
  };
  for (const std::string kind : {"Unigram", "WordPiece"})
    EXPECT_NE(error(R"({"normalizer": {"type": "BertNormalizer"}, "pre_tokenizer": null,
                        "model": {"type": ")" +
                    kind + R"(", "vocab": {"a": 0}}})")
                  .find("tokenizer.json: model.type: expected \"BPE\", found \"" + kind),
              std::string::npos);
  using namespace std::string_literals;
  EXPECT_NE(error("\n\x0e\n\x05<unk>\x15\0\0\0\0"s).find("is binary, as SentencePiece's models"),
            std::string::npos);
}

TEST(BpeVocabulary, Gpt2FilesAreOpenAis) {
  if (!fs::exists(gpt2_vocabulary_file()))
    GTEST_SKIP() << gpt2_vocabulary_file() << " is not there; scripts/setup fetches it";
  const BpeVocabulary vocabulary = read_bpe_vocabulary(gpt2_vocabulary_file());
  EXPECT_TRUE(vocabulary.is_gpt2());
  EXPECT_EQ(vocabulary.end_of_text, 50256);
  const TempDir dir;
  replace_file(dir / "vocab.bpe", vocabulary.merges_txt());
  EXPECT_TRUE(has_sha256(dir / "vocab.bpe",
                         "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"));
  expect_equal(read_bpe_vocabulary(dir / "vocab.bpe"), vocabulary);
  replace_file(dir / "encoder.json", vocabulary.vocab_json());
  EXPECT_TRUE(has_sha256(dir / "encoder.json",
                         "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783"));
  expect_equal(read_bpe_vocabulary(dir / "encoder.json"), vocabulary);
}

TEST(BpeVocabulary, ReadsWhatTransformersWrites) {
  const std::string python = testing::venv_python("extras");
  if (python.empty() || !fs::exists(gpt2_vocabulary_file()))
    GTEST_SKIP() << "no transformers or no gpt2.tiktoken; scripts/setup --with-tests installs both";
  const BpeVocabulary vocabulary = read_bpe_vocabulary(gpt2_vocabulary_file());
  const TempDir dir;
  replace_file(dir / "vocab.json", vocabulary.vocab_json());
  replace_file(dir / "merges.txt", vocabulary.merges_txt());
  const auto run = testing::run_python(python, "tests/text/huggingface_files.py",
                                       {dir.path().string(), (dir / "out").string()});
  ASSERT_EQ(run.code, 0) << run.out;
  expect_equal(read_bpe_vocabulary(dir / "out" / "tokenizer.json"), vocabulary);
}

TEST(BpeVocabulary, BadMergesSayWhatIsWrong) {
  EXPECT_EQ(merges_error("t h\nth\n"), "m.txt: line 2: expected two tokens in GPT-2's letters");
  EXPECT_EQ(merges_error("t h e\n"), "m.txt: line 1: expected two tokens in GPT-2's letters");
  EXPECT_EQ(merges_error("t \u4e2d\n"), "m.txt: line 1: expected two tokens in GPT-2's letters");
  EXPECT_EQ(merges_error("t h\nth e\nt he\n"),
            "m.txt: line 3: 'the' is already there, as token 257");
  EXPECT_EQ(merges_error("t h\nh e\nth ex\n"), "m.txt: line 3: 'ex' is not in the vocabulary");
  EXPECT_EQ(merges_error("th e\nt h\n"), "m.txt: line 1: no earlier merge makes 'th'");
  EXPECT_EQ(merges_error("a .\n"),
            "m.txt: token 256, 'a.', is made for another pattern than GPT-2's; give the "
            "tokenizer.json, which says how it cuts texts");
  EXPECT_EQ(merges_error("' l\n'l l\n! '\n! !\n"), "");  // pieces have these parts
  EXPECT_EQ(merges_error("#version: 0.2\n"), "");        // bytes alone are a vocabulary
}

TEST(BpeVocabulary, BadIdsSayWhatIsWrong) {
  const std::string json = parse_merges(kMerges, "m.txt").vocab_json();
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = json;
    return json_error(changed.replace(changed.find(from), from.size(), to));
  };
  EXPECT_EQ(json_error("{"), "v.json:1: not valid JSON (byte 1); fetch it again");
  EXPECT_EQ(json_error("[]"), "v.json: expected {\"token\": id, ...}, found []");
  EXPECT_EQ(with("\"!\": 0", "\"!\": true"), "v.json: entry 1: expected an id, found true");
  EXPECT_EQ(with("\"!\": 0", "\"!\": -1"),
            "v.json: entry 1: id -1: expected one from 0 to 2097151");
  EXPECT_EQ(with("\"!\": 0", "\"!\": 99999999999"),
            "v.json: entry 1: id 99999999999: expected one from 0 to 2097151");
  EXPECT_EQ(with("\"!\": 0", "\"!\": 1"), "v.json: entry 2: id 1 is already that of '!'");
  EXPECT_EQ(with("\"!\": 0", "\"!\": 300"), "");  // an id may be left out, but not most of them
  EXPECT_EQ(with("\"!\": 0", "\"!\": 3000"),
            "v.json: no token has id 0, but one has id 3000; is the file cut?");
  EXPECT_EQ(with("\"!\": 0", "\"\": 0"), "v.json: entry 1: a token without bytes");
  EXPECT_EQ(with("\"!\": 0", "\"!!\": 0"), "");  // as one that was trained on a text without it
  EXPECT_EQ(error_text([] { parse_merges("#version\n", "m.txt", R"({"the": 0})", "v.json"); }),
            "v.json: byte 0 has no token; expected a byte-level BPE vocabulary");
  const std::string deep = "[" + std::string(1'000'000, '[');
  EXPECT_EQ(json_error(deep), "v.json: nested deeper than 64 levels; fetch it again");
  EXPECT_EQ(json_error(R"({"a": 1e999})"),
            "v.json: holds a number beyond a double's range; fetch it again");
  EXPECT_EQ(with("\"th\"", "\"ht\""), "m.txt: line 2: 'th' is not in the vocabulary");
}

TEST(BpeVocabulary, OtherKindsOfTokenizersAreRefused) {
  const BpeVocabulary vocabulary = parse_merges(kMerges, "m.txt");
  const auto error = [&](const std::string& extra, const std::string& model_extra = "") {
    return tokenizer_json_error(as_tokenizer_json(vocabulary, extra, model_extra));
  };
  const std::string advice =
      "; change it there, or give another vocabulary with --tokenizer=FILE (training on tokens "
      "that "
      "are ready needs none)";
  const auto pre_tokenizer_error = [&](const std::string& json) {
    const std::string message = error("\"pre_tokenizer\": " + json + ", ");
    EXPECT_TRUE(message.ends_with(advice)) << message;
    return message.substr(0, message.size() - std::min(message.size(), advice.size()));
  };
  EXPECT_EQ(tokenizer_json_error("{}"),
            "t.json: \"model\" is missing; expected a Hugging Face tokenizer");
  EXPECT_EQ(tokenizer_json_error("[]"), "t.json: expected a JSON object, found []");
  EXPECT_EQ(error(R"("normalizer": {"type": "NFC"}, )"),
            "t.json: normalizer: expected null, found {\"type\":\"NFC\"}, which is not known here" +
                advice);
  const std::string kinds =
      " is not known here, only ByteLevel, Digits, Split and Sequences of these";
  EXPECT_EQ(pre_tokenizer_error("null"), "t.json: pre_tokenizer.type: null" + kinds);
  EXPECT_EQ(pre_tokenizer_error(R"({"type": "Metaspace"})"),
            "t.json: pre_tokenizer.type: \"Metaspace\"" + kinds);
  EXPECT_EQ(
      pre_tokenizer_error(R"({"type": "Sequence", "pretokenizers": [{"type": "Whitespace"}]})"),
      "t.json: pre_tokenizer.pretokenizers[0].type: \"Whitespace\"" + kinds);
  EXPECT_EQ(pre_tokenizer_error(R"({"type": "Digits"})"),
            "t.json: pre_tokenizer: has no ByteLevel, so its tokens are not bytes");
  EXPECT_EQ(pre_tokenizer_error(R"({"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"},
                                    {"type": "Digits"}]})"),
            "t.json: pre_tokenizer.pretokenizers[1]: \"Digits\" after ByteLevel is not known here");
  EXPECT_EQ(pre_tokenizer_error(R"({"type": "Split", "behavior": "Isolated", "invert": false,
                                    "pattern": {"Regex": "(?i:'s)|\\p{L}+"}})"),
            R"(t.json: pre_tokenizer.pattern: {"Regex":"(?i:'s)|\\p{L}+"} is not known here)");
  EXPECT_EQ(pre_tokenizer_error(R"({"type": "Split", "behavior": "Joined", "invert": false,
                                    "pattern": {"String": "a"}})"),
            "t.json: pre_tokenizer.behavior: \"Joined\" is not known here");
  EXPECT_EQ(
      error("", R"("type": "Unigram", )"),
      "t.json: model.type: expected \"BPE\", found \"Unigram\", which is not known here" + advice);
  EXPECT_EQ(error("", R"("dropout": 0.1, )"),
            "t.json: model.dropout: expected null, found 0.1, which is not known here" + advice);
  EXPECT_EQ(error("", R"("merges": ["t h", 7], )"),
            "t.json: merge 2: expected two tokens in GPT-2's letters, found 7");
}

TEST(BpeVocabulary, BadTiktokenFilesSayWhatIsWrong) {
  EXPECT_EQ(tiktoken_error("IQ== 0\nIg 1\n"),
            "x.tiktoken: line 2: expected a token in base64 and its id");
  EXPECT_EQ(tiktoken_error("IQ== 0\nI*== 1\n"),
            "x.tiktoken: line 2: expected a token in base64 and its id");
  EXPECT_EQ(tiktoken_error("IQ== zero\n"),
            "x.tiktoken: line 1: expected a token in base64 and its id");
  EXPECT_EQ(tiktoken_error("IQ== 0\n\nIQ== 1\n"),
            "x.tiktoken: line 3: '!' is already there, as token 0");
  EXPECT_EQ(tiktoken_error("IQ== 0\nIg== 0\n"), "x.tiktoken: line 2: id 0 is already that of '!'");
  EXPECT_EQ(tiktoken_error("IQ== 0\nISE= 1\n"),
            "x.tiktoken: byte 0 has no token; expected a byte-level BPE vocabulary");
  EXPECT_EQ(
      tiktoken_error(tiktoken_bytes() + "ISEh 256\n"),
      "x.tiktoken: token 256, '!!!', is made of 3 earlier ones; expected a BPE vocabulary, two "
      "each");
  EXPECT_EQ(tiktoken_error(tiktoken_bytes() + "ISE= 256\n"), "");
}

// One byte is changed at every place of every form: each is read or refused, with one line.
TEST(BpeVocabulary, DamagedFilesAreReadOrRefused) {
  const BpeVocabulary vocabulary = parse_merges("t h\nth e\n", "m.txt");
  const std::string json = as_tokenizer_json(vocabulary),
                    tiktoken = tiktoken_bytes() + "ISI= 256\n";
  int refused = 0, read = 0;
  const auto damage = [&](const std::string& text, const auto& parse) {
    for (std::size_t at = 0; at < text.size(); ++at)
      for (const char byte : {'"', '9', '\xff'}) {
        std::string damaged = text;
        damaged[at] = byte;
        const std::string error = error_text([&] { parse(damaged); });
        EXPECT_EQ(error.find('\n'), std::string::npos) << error;
        (error.empty() ? read : refused) += 1;
      }
  };
  damage(json, [](const std::string& text) { parse_tokenizer_json(text, "t.json"); });
  damage(kMerges, [](const std::string& text) { parse_merges(text, "m.txt"); });
  damage(tiktoken, [](const std::string& text) { parse_tiktoken_vocabulary(text, "x.tiktoken"); });
  EXPECT_GT(refused, 1000);
  EXPECT_GT(read, 10);
}

}  // namespace
}  // namespace gpt
