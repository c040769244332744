// `prepare` with documents: what goes where, from every kind of input.
#include <memory>
#include <numeric>
#include <span>

#include <nlohmann/json.hpp>

#include "gpt/base/checksum.h"
#include "gpt/base/files.h"
#include "gpt/base/strings.h"
#include "gpt/dataprep/chunk_encoder.h"
#include "gpt/dataprep/prepare.h"
#include "gpt/dataprep/split_rule.h"

#include "dataprep/pair_tokenizer.h"
#include "support/environment.h"
#include "support/error_text.h"
#include "support/python.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::Environment;
using testing::error_text;
using testing::TempDir;

// Documents of many lengths, some with newlines, quotes and other scripts; none is cut alike.
std::vector<std::string> some_documents(int count) {
  std::vector<std::string> documents;
  std::uint32_t random = 7;
  for (int i = 0; i < count; ++i) {
    std::string text;
    random = random * 1664525 + 1013904223;
    for (std::uint32_t words = i % 11 == 0 ? 0 : (random >> 8) % 200; words > 0; --words) {
      random = random * 1664525 + 1013904223;
      text += std::string(1 + (random >> 10) % 9, static_cast<char>('a' + (random >> 16) % 26));
      text += (random >> 24) % 16 == 0 ? "\n\"\u00e9\\ " : " ";
    }
    documents.push_back(text);
  }
  return documents;
}

std::string json_lines(const std::vector<std::string>& documents, const std::string& key = "text") {
  std::string lines;
  for (const std::string& document : documents)
    lines += nlohmann::json{{"id", lines.size()}, {key, document}}.dump(-1, ' ', lines.size() % 2) +
             "\n";
  return lines;
}

struct Wanted {
  std::string bytes[2];
  std::int64_t documents[2] = {};
};

// nanoGPT's data/openwebtext/prepare.py in so many words, with our choice of documents.
Wanted naive(const std::vector<std::string>& documents, const SplitRule& split,
             const std::string& eot = "append", std::int64_t width = 2,
             const PairTokenizer& tokenizer = PairTokenizer()) {
  Wanted wanted;
  for (std::size_t i = 0; i < documents.size(); ++i) {
    std::vector<std::int32_t> ids;
    if (eot == "prepend") ids.push_back(256);
    tokenizer.append_ids(documents[i], "", ids);
    if (eot == "append") ids.push_back(256);
    const int side = split.is_val(static_cast<std::int64_t>(i)) ? 1 : 0;
    append_token_bytes(ids, width, wanted.bytes[side]);
    ++wanted.documents[side];
  }
  return wanted;
}

void expect_written(const fs::path& out, const Wanted& wanted) {
  EXPECT_TRUE(read_file(out / "train.bin") == wanted.bytes[0]);
  EXPECT_TRUE(read_file(out / "val.bin") == wanted.bytes[1]);
  const auto meta = read_dataset_meta(out);
  ASSERT_TRUE(meta.has_value());
  EXPECT_EQ(meta->documents, wanted.documents[0] + wanted.documents[1]);
  EXPECT_EQ(meta->val_documents, wanted.documents[1]);
  EXPECT_EQ(meta->train_crc32c, hex32(crc32c(std::as_bytes(std::span(wanted.bytes[0])))));
  EXPECT_EQ(meta->val_crc32c, hex32(crc32c(std::as_bytes(std::span(wanted.bytes[1])))));
  EXPECT_EQ(meta->train_tokens * meta->token_bytes,
            static_cast<std::int64_t>(wanted.bytes[0].size()));
}

class Documents : public ::testing::Test {
 protected:
  PrepareRequest request(const std::vector<fs::path>& inputs) const {
    return {.inputs = inputs,
            .out_dir = folder_ / "out",
            .tokenizer = std::make_shared<PairTokenizer>(),
            .threads = 2};
  }
  // Runs `program` on the file, as a user would: "gzip" makes a.jsonl.gz.
  fs::path packed(const fs::path& file, const std::string& program) const {
    const std::string quiet = program == "zstd" ? " -q " : " ";
    if (std::system((program + quiet + file.string()).c_str()) != 0) return "";
    return file.string() + (program == "zstd" ? ".zst" : ".gz");
  }

  const TempDir folder_;
  const SplitRule split_{0.1, 2357};
};

TEST_F(Documents, JsonLinesAsNanoGptsOpenWebText) {
  const auto documents = some_documents(3000);
  const auto input = folder_.write("in.jsonl", json_lines(documents));
  ASSERT_GT(fs::file_size(input), 1000000u);  // several chunks
  const Wanted wanted = naive(documents, split_);
  for (const int threads : {1, 2, 5}) {
    PrepareRequest asked = request({input});
    asked.threads = threads;
    asked.force = true;
    prepare(asked);
    expect_written(folder_ / "out", wanted);
  }
  EXPECT_EQ(wanted.documents[1], 300);
}

TEST_F(Documents, SplitOverSeveralPackedFiles) {
  const auto documents = some_documents(900);
  const std::vector<std::string> parts[] = {{documents.begin(), documents.begin() + 100},
                                            {documents.begin() + 100, documents.begin() + 101},
                                            {documents.begin() + 101, documents.end()}};
  std::vector<fs::path> inputs = {folder_.write("1.jsonl", json_lines(parts[0])),
                                  packed(folder_.write("2.jsonl", json_lines(parts[1])), "gzip"),
                                  packed(folder_.write("3.jsonl", json_lines(parts[2])), "zstd")};
  if (inputs[2].empty()) GTEST_SKIP() << "zstd is not installed";
  prepare(request(inputs));
  expect_written(folder_ / "out", naive(documents, split_));
}

TEST_F(Documents, LinesFilesAndKeys) {
  prepare([&] {
    PrepareRequest asked = request({folder_.write("lines", "one\n\n  \ntwo\r\nthree four\nlast")});
    asked.document = "line";
    asked.val_fraction = 0.5;
    asked.out_dir = folder_ / "lines.out";
    return asked;
  }());
  // Blank lines are no documents, but count in the draw, so that it needs no look at them.
  const std::vector<std::string> lines = {"one", "", "", "two", "three four", "last"};
  Wanted wanted;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].empty()) continue;
    const bool val = SplitRule(0.5, 2357).is_val(static_cast<std::int64_t>(i));
    wanted.bytes[val] += naive({lines[i]}, SplitRule()).bytes[0];
    ++wanted.documents[val];
  }
  expect_written(folder_ / "lines.out", wanted);

  const auto documents = some_documents(40);
  for (std::size_t i = 0; i < documents.size(); ++i)
    folder_.write(format("in/%03zu.txt", i), documents[i] + "x");
  std::vector<std::string> with_x;
  for (const std::string& document : documents) with_x.push_back(document + "x");
  PrepareRequest asked = request({folder_ / "in"});
  asked.split = "document";
  asked.eot = "prepend";
  prepare(asked);
  expect_written(folder_ / "out", naive(with_x, split_, "prepend"));

  asked = request({folder_.write("body.jsonl", json_lines(documents, "body"))});
  asked.text_key = "body";
  asked.eot = "none";
  asked.force = true;
  prepare(asked);
  expect_written(folder_ / "out", naive(documents, split_, "none"));
}

TEST_F(Documents, IdsPast65535TakeFourBytes) {
  const auto documents = some_documents(200);
  PrepareRequest asked = request({folder_.write("in.jsonl", json_lines(documents))});
  const PairTokenizer large(70000);
  asked.tokenizer = std::make_shared<PairTokenizer>(large);
  prepare(asked);
  EXPECT_EQ(read_dataset_meta(folder_ / "out")->token_bytes, 4);
  expect_written(folder_ / "out", naive(documents, split_, "append", 4, large));
}

// A text longer than a chunk gives the tokens of the whole, wherever it was cut.
TEST_F(Documents, LongTextsAreCutWithoutATrace) {
  std::string text;
  for (const std::string& document : some_documents(2500)) text += document;
  ASSERT_GT(text.size(), 1000000u);
  PrepareRequest asked = request({folder_.write("a.txt", text), folder_.write("b.txt", text)});
  asked.split = "document";
  asked.val_fraction = 0.5;
  prepare(asked);
  expect_written(folder_ / "out", naive({text, text}, SplitRule(0.5, 2357)));
  // A single text is split at its end, as nanoGPT's data/shakespeare does it.
  asked = request({folder_ / "a.txt"});
  asked.force = true;
  prepare(asked);
  const std::int64_t cut =
      static_cast<std::int64_t>(static_cast<double>(count_characters(text)) * 0.9);
  std::size_t byte = 0;
  for (std::int64_t left = cut; left > 0 || (text[byte] & 0xC0) == 0x80; ++byte)
    left -= (text[byte] & 0xC0) != 0x80;
  Wanted wanted{.bytes = {naive({text.substr(0, byte)}, SplitRule(), "none").bytes[0],
                          naive({text.substr(byte)}, SplitRule(), "none").bytes[0]},
                .documents = {1, 0}};
  expect_written(folder_ / "out", wanted);
}

// Bounded memory matters more than one odd token.
TEST_F(Documents, ARunWithoutAPlaceToCutIsCutAllTheSame) {
  const std::string run(5000001, 'a');
  PrepareRequest asked = request({folder_.write("run.txt", run)});
  prepare(asked);
  const auto meta = read_dataset_meta(folder_ / "out");
  EXPECT_EQ(meta->characters, 5000001);
  EXPECT_NEAR(static_cast<double>(meta->train_tokens + meta->val_tokens), 2500001, 4);
}

TEST_F(Documents, BadLinesAreNamedAndNothingIsLost) {
  const auto documents = some_documents(3000);
  std::string lines = json_lines(documents);
  const std::size_t line_2001 = [&] {
    std::size_t at = 0;
    for (int i = 0; i < 2000; ++i) at = lines.find('\n', at) + 1;
    return at;
  }();
  std::string broken = lines;
  broken[line_2001] = '[';
  const auto input = folder_.write("in.jsonl", broken);
  EXPECT_EQ(error_text<InputError>([&] {
              prepare(request({input}));
            }).find(input.string() + ":2001: expected a JSON object"),
            0u);
  EXPECT_TRUE(fs::exists(folder_ / "out/.prepare.state"));
  EXPECT_GT(fs::file_size(folder_ / "out/train.bin.tmp"), 100000u);
  folder_.write("in.jsonl", lines);  // mended
  prepare(request({input}));
  expect_written(folder_ / "out", naive(documents, split_));
}

TEST_F(Documents, DamagedArchivesAndWrongKeys) {
  const auto documents = some_documents(300);
  const auto input = packed(folder_.write("in.jsonl", json_lines(documents)), "gzip");
  const std::string whole = read_file(input);
  folder_.write("in.jsonl.gz", whole.substr(0, whole.size() / 2));
  EXPECT_EQ(error_text<InputError>([&] { prepare(request({input})); }),
            input.string() +
                ": ends in the middle of its gzip data: it is cut; copy or download it again (what "
                "was prepared before it is kept)");
  folder_.write("in.jsonl.gz", "this is no archive");
  PrepareRequest again = request({input});
  again.restart = true;
  EXPECT_NE(error_text<InputError>([&] { prepare(again); }).find("in.jsonl.gz:1: expected a JSON"),
            std::string::npos);
  PrepareRequest asked = request({folder_.write("other.jsonl", json_lines(documents))});
  asked.text_key = "content";
  asked.restart = true;
  EXPECT_NE(error_text<InputError>([&] { prepare(asked); })
                .find("other.jsonl:1: expected a JSON object with a text at key \"content\", "
                      "found only the keys 'id', 'text'; name another with --text_key"),
            std::string::npos);
  asked = request({folder_ / "other.jsonl"});
  asked.out_dir = folder_ / "char";
  asked.tokenizer = nullptr;
  asked.eot = "append";
  EXPECT_EQ(error_text<InputError>([&] { prepare(asked); }),
            "eot: expected none, for --tokenizer=char has no <|endoftext|>, got append");
}

// A dataset's folder may hold a `python3` of a stranger: the current folder is never searched.
TEST_F(Documents, AProgramIsNotTakenFromTheCurrentFolder) {
  const auto input = folder_.write("a.parquet", "PAR1");
  fs::create_directories(folder_ / "bin");
  for (const char* name : {"python3", "bin/python3"})
    fs::permissions(folder_.write(name, "#!/bin/sh\ntouch taken\n"), fs::perms::owner_all);
  const fs::path before = fs::current_path();
  fs::current_path(folder_.path());
  std::vector<std::string> errors;
  for (const char* hostile : {"", ".", "bin", ":", "./bin:"}) {
    const Environment path("PATH", hostile);
    PrepareRequest asked = request({input});
    asked.restart = true;
    errors.push_back(error_text<InputError>([&] { prepare(asked); }));
  }
  fs::current_path(before);
  for (const std::string& error : errors)
    EXPECT_NE(error.find("python3 is needed to read it and is not installed"), std::string::npos)
        << error;
  EXPECT_FALSE(fs::exists(folder_ / "taken"));
}

TEST_F(Documents, ParquetThroughTheHelper) {
  const std::string python = testing::venv_python("extras");
  if (python.empty()) GTEST_SKIP() << "no pyarrow: scripts/setup --with-tests installs it";
  const auto documents = some_documents(1500);
  folder_.write("in.jsonl", json_lines(documents));
  const fs::path script = folder_.write("make.py",
                                        "import json, sys, pyarrow, pyarrow.parquet\n"
                                        "rows = [json.loads(line) for line in open(sys.argv[1])]\n"
                                        "pyarrow.parquet.write_table(pyarrow.Table.from_pylist("
                                        "rows), sys.argv[2], row_group_size=400)\n");
  const fs::path input = folder_ / "in.parquet";
  ASSERT_EQ(std::system((python + " " + script.string() + " " + (folder_ / "in.jsonl").string() +
                         " " + input.string())
                            .c_str()),
            0);
  const Environment helper("GPTTRAIN_PYTHON", python);
  prepare(request({input}));
  PrepareRequest asked = request({input});
  asked.out_dir = folder_ / "key";
  asked.text_key = "body";
  const std::string wrong_column = error_text<InputError>([&] { prepare(asked); });
  folder_.write("in.parquet", read_file(input).substr(0, 1000));
  asked.restart = true;
  const std::string cut = error_text<InputError>([&] { prepare(asked); });
  expect_written(folder_ / "out", naive(documents, split_));
  EXPECT_EQ(wrong_column,
            input.string() +
                ": cannot be unpacked: there is no column 'body', only id, text; name one with "
                "--text_key; what was prepared before it is kept");
  EXPECT_EQ(cut.find(input.string() + ": cannot be unpacked: Parquet magic bytes not found"), 0u)
      << cut;
}

TEST_F(Documents, WithoutPyarrowParquetSaysWhatToInstall) {
  const auto input = folder_.write("in.parquet", "PAR1");
  // A Python that has no packages at all.
  const auto python = folder_.write("python", "#!/bin/sh\nexec /usr/bin/python3 -I -S \"$@\"\n");
  fs::permissions(python, fs::perms::owner_all);
  const Environment helper("GPTTRAIN_PYTHON", python.string());
  EXPECT_EQ(error_text<InputError>([&] { prepare(request({input})); }),
            input.string() +
                ": cannot be unpacked: pyarrow is not installed; pip install pyarrow, or set "
                "GPTTRAIN_PYTHON to a Python that has it; what was prepared before it is kept");
}

}  // namespace
}  // namespace gpt
