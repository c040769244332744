#include "gpt/dataprep/dataset_meta.h"

#include "gpt/base/files.h"

#include "support/error_text.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::TempDir;

const std::string kVocabularyPart =
    R"("format": "gpttrain-meta", "version": 1, "tokenizer": "char", "vocab_size": 1, "itos": ["a"])";

std::string error_with(const std::string& more) {
  const TempDir folder;
  folder.write("meta.json", "{" + kVocabularyPart + ", " + more + "}");
  const std::string text = error_text<InputError>([&] { read_dataset_meta(folder.path()); });
  const std::string start = (folder / "meta.json").string() + ": ";
  return text.starts_with(start) ? text.substr(start.size()) : text;
}

TEST(DatasetMeta, AbsentFileIsNoMeta) {
  const TempDir folder;
  EXPECT_FALSE(read_dataset_meta(folder.path()).has_value());
  EXPECT_FALSE(read_dataset_meta(folder / "missing").has_value());
}

TEST(DatasetMeta, RoundTrips) {
  const TempDir folder;
  const DatasetMeta meta{.tokenizer = "char",
                         .vocab_size = 8,
                         .itos = std::u32string(U"\0\n\"\\\u0085\u00e9\u202e\U0001F600", 8),
                         .characters = 1115394,
                         .train_tokens = 1003854,
                         .val_tokens = 111540,
                         .train_crc32c = "00c0ffee",
                         .val_crc32c = "deadbeef",
                         .sources = {"input.txt", "b\u00e9"},
                         .invalid_utf8 = 3};
  const std::string text = to_json(meta);
  for (const char c : text) EXPECT_TRUE(c == '\n' || (c >= ' ' && c < 0x7F));
  folder.write("meta.json", text);
  const auto back = read_dataset_meta(folder.path());
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->itos, meta.itos);
  EXPECT_EQ(back->vocab_size, 8);
  EXPECT_EQ(back->characters, 1115394);
  EXPECT_EQ(back->train_tokens, 1003854);
  EXPECT_EQ(back->val_tokens, 111540);
  EXPECT_EQ(back->train_crc32c, "00c0ffee");
  EXPECT_EQ(back->val_crc32c, "deadbeef");
  EXPECT_EQ(back->sources, meta.sources);
  EXPECT_EQ(back->invalid_utf8, 3);
}

TEST(DatasetMeta, EveryScalarValueRoundTrips) {
  const TempDir folder;
  for (char32_t first : {0x0u, 0x10000u, 0x20000u, 0x100000u}) {
    std::u32string characters;
    for (char32_t code = first; code < first + 0x10000; ++code)
      if (code < 0xD800 || code > 0xDFFF) characters.push_back(code);
    folder.write("meta.json", to_json({.vocab_size = static_cast<std::int64_t>(characters.size()),
                                       .itos = characters}));
    EXPECT_TRUE(read_dataset_meta(folder.path())->itos == characters);
  }
}

TEST(DatasetMeta, OnlyTheVocabularyMustBeThere) {
  const TempDir folder;
  folder.write("meta.json", "{" + kVocabularyPart + "}");
  EXPECT_EQ(read_dataset_meta(folder.path())->vocab_size, 1);
  EXPECT_EQ(read_dataset_meta(folder.path())->train_tokens, 0);
}

TEST(DatasetMeta, BadFilesSayWhatIsWrong) {
  EXPECT_EQ(error_with(R"("characters": "many")"),
            "characters: expected a count, found a value of type string");
  EXPECT_EQ(error_with(R"("train_tokens": -1)"),
            "train_tokens: expected a count, found a value of type number");
  EXPECT_EQ(error_with(R"("val_tokens": 1.5)"),
            "val_tokens: expected a count, found a value of type number");
  EXPECT_EQ(error_with(R"("invalid_utf8": null)"),
            "invalid_utf8: expected a count, found a value of type null");
  EXPECT_EQ(error_with(R"("val_crc32c": 7)"),
            "val_crc32c: expected a text, found a value of type number");
  EXPECT_EQ(error_with(R"("train_crc32c": [])"),
            "train_crc32c: expected a text, found a value of type array");
  EXPECT_EQ(error_with(R"("sources": ["a", 1])"),
            "sources: expected a list of texts, found a value of type array");
  EXPECT_EQ(error_with(R"("itos": ["a", "b"])"), "vocab_size: expected 2, found 1");
}

// Python's pickle.dumps({'vocab_size': 4, 'itos': {0: '\n', 1: ' ', 2: 'a', 3: 'é'}, 'stoi': ...},
// protocol=4), which is what nanoGPT's prepare.py writes.
std::string meta_pickle() {
  return std::string(
      "\200\004\225\123\000\000\000\000\000\000\000\175\224\050\214\012\166\157\143\141"
      "\142\137\163\151\172\145\224\113\004\214\004\151\164\157\163\224\175\224\050\113"
      "\000\214\001\012\224\113\001\214\001\040\224\113\002\214\001\141\224\113\003\214"
      "\002\303\251\224\165\214\004\163\164\157\151\224\175\224\050\150\004\113\000\150"
      "\005\113\001\150\006\113\002\150\007\113\003\165\165\056",
      94);
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

TEST(DatasetMeta, ReadsNanoGptsMetaPkl) {
  const TempDir folder;
  folder.write("meta.pkl", meta_pickle());
  const auto meta = read_dataset_meta(folder.path());
  ASSERT_TRUE(meta.has_value());
  EXPECT_EQ(meta->tokenizer, "char");
  EXPECT_EQ(meta->vocab_size, 4);
  EXPECT_TRUE(meta->itos == U"\n a\u00e9");
  EXPECT_EQ(meta->origin, folder / "meta.pkl");
  const TempDir other;
  other.write("meta.json", meta->json);  // what a checkpoint keeps
  EXPECT_TRUE(read_dataset_meta(other.path())->itos == meta->itos);
}

// What other prepare scripts write under that name. nanoGPT's train.py reads vocab_size alone.
TEST(DatasetMeta, AnyMetaPklWithASizeIsEnough) {
  struct Case {
    const char* pickle;
    std::int64_t size;
    const char* tokenizer;
    std::int64_t characters = 0;
  };
  const std::string numpy =
      "(dVvocab_size\ncnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(Vi8\nI00\nI01\ntR"
      "c_codecs\nencode\n(V\x22\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\nVlatin1\ntRtRs.";
  const Case kCases[] = {
      {"(dVvocab_size\nI34\ns.", 34, "unknown"},
      {"(dVvocab_size\nI34\nsVtokenizer_type\nVIPA\ns.", 34, "unknown"},
      {"(dVvocab_size\nI50257\nsVtokenizer\nVtiktoken\nsVtiktoken_encoding\nVgpt2\ns.", 50257,
       "gpt2"},
      {"(dVvocab_size\nI50304\nsVencoding\nVgpt2\ns.", 50304, "gpt2"},
      {"(dVvocab_size\nI99\nsVencoding\nVgpt2\ns.", 99, "unknown"},
      {"(dVvocab_size\nI2\nsVitos\n(dI0\nVa\nsI1\nVb\nss.", 2, "char", 2},
      {"(dVvocab_size\nI2\nsVitos\n(lVa\naVb\nas.", 2, "char", 2},
      {"(dVvocab_size\nI2\nsVstoi\n(dVa\nI0\nsVb\nI1\nss.", 2, "char", 2},
      {"(dVitos\n(lVa\naVb\nas.", 2, "char", 2},                             // no size: counted
      {"(dVvocab_size\nI64\nsVitos\n(lVa\naVb\nas.", 64, "char", 2},         // padded
      {"(dVvocab_size\nI3\nsVitos\n(lVa\naVb\naV<eos>\nas.", 3, "char", 2},  // a special token
      {"(dVvocab_size\nI3\nsVitos\n(lV<pad>\naVa\naVb\nas.", 3, "unknown"},
      {"(dVvocab_size\nI2\nsVitos\n(lVthe\naVcat\nas.", 2, "unknown"},  // words
      {"(dVvocab_size\nI2\nsVitos\n(lVa\naVa\nas.", 2, "unknown"},      // a character twice
      {"(dVvocab_size\nI1\nsVitos\n(lVa\naVb\nas.", 1, "char", 1},      // cut
      {numpy.c_str(), 34, "unknown"}};
  for (const Case& one : kCases) {
    const TempDir folder;
    folder.write("meta.pkl", one.pickle);
    const auto meta = read_dataset_meta(folder.path());
    EXPECT_EQ(meta->vocab_size, one.size) << one.pickle;
    EXPECT_EQ(meta->tokenizer, one.tokenizer) << one.pickle;
    EXPECT_EQ(static_cast<std::int64_t>(meta->itos.size()), one.characters) << one.pickle;
  }
}

TEST(DatasetMeta, AMetaPklWithoutASizeOrWithCodeIsRefused) {
  const auto pickle_error = [](const std::string& bytes) {
    const TempDir folder;
    folder.write("meta.pkl", bytes);
    const std::string text = error_text<InputError>([&] { read_dataset_meta(folder.path()); });
    const std::string start = (folder / "meta.pkl").string() + ": ";
    return text.starts_with(start) ? text.substr(start.size()) : text;
  };
  const std::string way_out = "; --vocab_size=N trains without this file";
  EXPECT_EQ(pickle_error("(dVsize\nI2\ns."),
            "vocab_size: expected an integer from 1 to 16777216, found nothing" + way_out);
  EXPECT_EQ(pickle_error("(dVvocab_size\nV65\ns."),
            "vocab_size: expected an integer from 1 to 16777216, found the text '65'" + way_out);
  EXPECT_NE(pickle_error("(dVvocab_size\nI-1\ns."), "");
  EXPECT_NE(pickle_error("(dVvocab_size\nI99999999\ns."), "");
  EXPECT_NE(pickle_error(meta_pickle().substr(0, 60)), "");
  // os.system("...") in place of a dict: it is named, nothing is called.
  const std::string code = pickle_error("cos\nsystem\n(Vecho\ntR.");
  EXPECT_NE(code.find("os.system"), std::string::npos);
  EXPECT_TRUE(code.ends_with(way_out)) << code;
}

TEST(DatasetMeta, TokenizersOtherThanChar) {
  const TempDir folder;
  folder.write(
      "meta.json",
      R"({"tokenizer": "bpe", "vocab_size": 70000, "tokenizer_file": "v.bpe", "dtype": "uint32"})");
  const auto meta = read_dataset_meta(folder.path());
  EXPECT_EQ(meta->tokenizer, "bpe");
  EXPECT_EQ(meta->vocab_size, 70000);
  EXPECT_EQ(meta->tokenizer_file, "v.bpe");
  EXPECT_EQ(meta->token_bytes, 4);
  folder.write("meta.json", R"({"tokenizer": "words", "vocab_size": 7})");
  EXPECT_EQ(error_text<InputError>([&] { read_dataset_meta(folder.path()); }),
            (folder / "meta.json").string() + ": tokenizer: expected gpt2 or bpe, found \"words\"");
  folder.write("meta.json", R"({"tokenizer": "gpt2", "vocab_size": 7, "dtype": "int8"})");
  EXPECT_EQ(error_text<InputError>([&] { read_dataset_meta(folder.path()); }),
            (folder / "meta.json").string() + ": dtype: expected uint16 or uint32, found \"int8\"");
}

TEST(DatasetMeta, SameVocabulary) {
  const std::string ab =
      R"({"tokenizer": "char", "vocab_size": 2, "itos": ["a", "b"], "characters": )";
  const std::string gpt2 = R"({"tokenizer": "gpt2", "vocab_size": 50257})";
  EXPECT_TRUE(same_vocabulary(ab + "1}", ab + "2}"));
  EXPECT_FALSE(same_vocabulary(ab + "1}", replaced(ab, "b\"", "c\"") + "1}"));
  EXPECT_FALSE(same_vocabulary(ab + "1}", gpt2));
  EXPECT_FALSE(same_vocabulary(ab + "1}", ""));
  EXPECT_TRUE(same_vocabulary(gpt2, ""));
}

}  // namespace
}  // namespace gpt
