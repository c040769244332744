// Texts as people bring them: packed, in archives, in other encodings, as JSON of several shapes.
#include <sys/wait.h>
#include <unistd.h>

#include "gpt/base/files.h"
#include "gpt/base/strings.h"
#include "gpt/dataprep/chunk_encoder.h"
#include "gpt/dataprep/decoded_source.h"
#include "gpt/dataprep/prepare.h"
#include "gpt/text/utf8.h"

#include "dataprep/pack.h"
#include "dataprep/pair_tokenizer.h"
#include "support/error_text.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using namespace std::literals;
using testing::archived;
using testing::error_text;
using testing::packed;
using testing::TempDir;

const char* const kFilters[] = {"gzip", "bzip2", "xz", "zstd", "lz4", "compress", "lzma"};

std::string some_text(int lines = 3000) {
  std::string text;
  for (int i = 0; i < lines; ++i) text += concat("Line ", i * 7919 % 1009, " is not like it.\n");
  return text;
}

class KindsOfText : public ::testing::Test {
 protected:
  PrepareRequest request(const fs::path& input) const {
    return {.inputs = {input},
            .out_dir = folder_ / "out",
            .val_fraction = 0,
            .threads = 2,
            .force = true,
            .restart = true};
  }
  // What a character vocabulary makes of it is the text again.
  std::string text_of(const PrepareRequest& asked) {
    ::testing::internal::CaptureStderr();
    try {
      result_ = prepare(asked);
    } catch (...) {
      said_ = ::testing::internal::GetCapturedStderr();
      throw;
    }
    said_ = ::testing::internal::GetCapturedStderr();
    const std::string bytes = read_file(asked.out_dir / "train.bin");
    std::u32string text;
    for (std::size_t i = 0; i < bytes.size() / 2; ++i)
      text += result_->meta.itos.at(static_cast<std::size_t>(token_at(bytes, 2, i)));
    return to_utf8(text);
  }
  std::string text_in(std::string_view bytes, const std::string& name = "in.txt") {
    return text_of(request(folder_.write(name, bytes)));
  }
  std::string error_in(std::string_view bytes, const std::string& name = "in.txt") {
    const std::string error = error_text<InputError>([&] { text_in(bytes, name); });
    const std::string start = (folder_ / name).string();
    return error.starts_with(start) ? error.substr(start.size()) : error;
  }
  // The bytes as standard input of the same preparation, with GPT's kind of tokens; its text.
  std::string text_through_a_pipe(const std::string& bytes) const {
    int ends[2];
    if (pipe(ends) != 0) return "";
    const pid_t writer = fork();
    if (writer == 0) {
      close(ends[0]);
      _exit(write(ends[1], bytes.data(), bytes.size()) < 0);
    }
    close(ends[1]);
    PrepareRequest asked = request("/dev/fd/" + std::to_string(ends[0]));
    asked.tokenizer = std::make_shared<PairTokenizer>();
    asked.eot = "none";
    asked.split = "end";
    prepare(asked);
    close(ends[0]);
    waitpid(writer, nullptr, 0);
    const std::string tokens = read_file(asked.out_dir / "train.bin");
    std::string text;
    for (std::size_t i = 0; i < tokens.size() / 2; ++i)
      asked.tokenizer->append_text(token_at(tokens, 2, i), text);
    return text;
  }

  const TempDir folder_;
  std::optional<PrepareResult> result_;
  std::string said_;
};

TEST_F(KindsOfText, PackedUnderAnyName) {
  const std::string text = some_text();
  for (const char* filter : kFilters) {
    const std::string bytes = packed(text, filter);
    ASSERT_LT(bytes.size(), text.size() / 2) << filter;
    EXPECT_TRUE(text_in(bytes, "notes.txt") == text) << filter;
    EXPECT_TRUE(text_in(bytes, concat("in.", filter)) == text) << filter;
    EXPECT_TRUE(text_through_a_pipe(bytes) == text) << filter;
    EXPECT_TRUE(text_in(packed(bytes, "gzip")) == text || filter == "gzip"sv) << filter;
  }
  EXPECT_TRUE(text_in(text, "not_packed.gz") == text);
}

TEST_F(KindsOfText, SeveralMembersAndFramesAreOneText) {
  const std::string text = some_text();
  for (const std::string filter : {"gzip", "bzip2", "xz", "zstd", "lz4"}) {
    const std::string part = packed(text, filter);
    EXPECT_TRUE(text_in(part + part + part) == text + text + text) << filter;
    EXPECT_EQ(said_.find("warning"), said_.npos) << filter << said_;
  }
  // A frame that is to be skipped, in front as pzstd writes it and in the middle.
  const std::string frame = packed(text, "zstd"), skipped = "\x50\x2a\x4d\x18\x04\0\0\0abcd"s;
  EXPECT_TRUE(text_in(skipped + frame + skipped + frame) == text + text);
}

TEST_F(KindsOfText, WhatFollowsTheEndIsAWarning) {
  const std::string text = some_text();
  for (const std::string filter : {"gzip", "bzip2", "xz", "zstd", "lz4"}) {
    const std::string whole = packed(text, filter);
    EXPECT_TRUE(text_in(whole + "garbage!") == text) << filter;
    // libarchive takes the first four for lz4's own.
    const int bytes = filter == "lz4" ? 4 : 8;
    EXPECT_NE(said_.find(concat("the ", bytes, " bytes after the end of its ", filter,
                                " data are left out")),
              said_.npos)
        << filter << said_;
    EXPECT_TRUE(text_in(whole + std::string(1000, '\0')) == text) << filter;  // a tape's padding
    EXPECT_EQ(said_.find("after the end"), said_.npos) << filter << said_;
  }
}

TEST_F(KindsOfText, ACutOrDamagedEndIsAnError) {
  const std::string text = some_text();
  for (const std::string filter : {"gzip", "bzip2", "xz", "zstd", "lz4"}) {
    const std::string whole = packed(text, filter);
    for (const std::size_t size : {whole.size() / 2, whole.size() - 1}) {
      EXPECT_EQ(error_in(whole.substr(0, size)),
                concat(": ends in the middle of its ", filter,
                       " data: it is cut; copy or download it again (what was prepared before it "
                       "is kept)"))
          << filter << size;
    }
    std::string damaged = whole;
    for (std::size_t i = 0; i < 40; ++i) damaged[damaged.size() / 2 + i] ^= 0x55;
    EXPECT_NE(error_in(damaged).find(concat(": its ", filter, " data cannot be unpacked: ")),
              std::string::npos)
        << filter << error_in(damaged);
  }
}

// A frame of zstd that says it may look back 2 GiB, and has one block as it is.
TEST_F(KindsOfText, ZstdMayLookBackTwoGibibytes) {
  const std::string text = "A short text with a long memory.\n";
  const auto size = static_cast<char>(static_cast<unsigned char>(text.size()));
  std::string frame = "\x28\xb5\x2f\xfd\x00\xa8"s;
  frame += static_cast<char>(((size << 3) | 1) & 0xFF);
  frame += static_cast<char>((size << 3) >> 8);
  frame += '\0';
  EXPECT_EQ(text_in(frame + text), text);
}

TEST_F(KindsOfText, GrowthBeyondReasonIsRefused) {
  std::string bomb;
  for (int i = 0; i < 300; ++i) bomb += packed(std::string(4'000'000, 'a'), "gzip");
  bomb = packed(bomb, "gzip");  // 1.2 GB of text
  EXPECT_LT(bomb.size(), 100'000u);
  const SourceFiles found = find_source_files({folder_.write("bomb", bomb)}, "out");
  InputStream stream(found.files.at(0), {});
  ASSERT_TRUE(stream.next_text());
  std::string text(1 << 20, '\0');
  std::uint64_t read = 0;
  EXPECT_NE(error_text<InputError>([&] {
              while (const std::size_t got = stream.read(text.data(), text.size())) read += got;
            }).find("unpacks to more than 5000 times"),
            std::string::npos);
  EXPECT_LE(read, std::uint64_t{1} << 30);
}

TEST_F(KindsOfText, MembersOfArchivesAreReadAsFiles) {
  const std::string rows = "{\"text\": \"one\"}\n{\"text\": \"two\"}\n";
  const testing::Members members = {{"a/1.txt", "first\n"},
                                    {"a/.hidden", "no\n"},
                                    {"a/2.jsonl.gz", packed(rows, "gzip")},
                                    {"a/empty", ""},
                                    {"a/image", "\x89PNG\r\n\x1a\n\0\0"s},
                                    {"a/inner.zip", archived({{"x", "y"}}, "zip")},
                                    {"a/3.txt", "\xff\xfel\0a\0s\0t\0\n\0"s}};
  for (const std::string& bytes :
       {archived(members, "zip"), archived(members, "pax"), archived(members, "pax", "gzip"),
        archived(members, "pax", "zstd"), archived(members, "pax", "xz")}) {
    EXPECT_EQ(text_in(bytes, "any.name"), "first\none\ntwo\nlast\n");
    EXPECT_EQ(result_->meta.documents, 4);
    EXPECT_NE(said_.find("any.name: left out 1 hidden ('a/.hidden'), 1 empty ('a/empty'), 1 binary "
                         "('a/image'), 1 archives within the archive ('a/inner.zip')"),
              said_.npos)
        << said_;
    EXPECT_EQ(text_through_a_pipe(bytes), "first\nonetwolast\n");
  }
  const std::string tar = archived(members, "pax");
  EXPECT_EQ(text_in(tar + tar), "first\none\ntwo\nlast\nfirst\none\ntwo\nlast\n");
  EXPECT_NE(error_in(tar.substr(0, 600)).find("tar data"), std::string::npos);
  EXPECT_EQ(error_in(archived({{"[Content_Types].xml", "<x/>"}}, "zip")),
            ": is a document of Microsoft Office, not text; convert it to text first, or leave it "
            "out");
  EXPECT_EQ(error_in(archived({{"model/data.pkl", "x"}}, "zip")),
            ": is a file of PyTorch, not text; convert it to text first, or leave it out");
  EXPECT_EQ(
      error_in(archived({{"a", "\0"s}}, "pax")),
      ": is an archive without a text in it (left out: 1 binary ('a')), not text; convert it to "
      "text first, or leave it out");
}

// An archive is resumed within a member, and between two.
TEST_F(KindsOfText, AnArchiveIsResumedWhereItWas) {
  testing::Members members;
  for (int i = 0; i < 5; ++i)
    members.push_back({concat(i, ".txt"), concat(i, "\n", some_text(9000 + i * 4000))});
  members.push_back({"rows.jsonl", "{\"text\": \"one\"}\n{\"text\": \"two\"}"});
  const fs::path input = folder_.write("in.tar.gz", archived(members, "pax", "gzip"));
  const auto asked = [&](const char* out) {
    PrepareRequest wanted = request(input);
    wanted.out_dir = folder_ / out;
    wanted.tokenizer = std::make_shared<PairTokenizer>();
    wanted.save_seconds = 0;
    return wanted;
  };
  prepare(asked("whole"));
  const fs::path tokens = folder_ / "resumed/train.bin.tmp";
  std::error_code missing;
  int stops = 0;
  for (bool done = false; !done; ++stops) {
    PrepareRequest wanted = asked("resumed");
    wanted.restart = stops == 0;
    const bool there = fs::exists(tokens);
    const std::uintmax_t before = there ? fs::file_size(tokens) : 0;
    wanted.stop = [&] {
      const std::uintmax_t now = fs::file_size(tokens, missing);
      return !missing && now > before;
    };
    done = prepare(wanted).has_value();
    ASSERT_LT(stops, 100);
  }
  EXPECT_GT(stops, 3);
  EXPECT_TRUE(read_file(folder_ / "whole/train.bin") == read_file(folder_ / "resumed/train.bin"));
}

TEST_F(KindsOfText, AByteOrderMarkIsNoText) {
  const std::string text = "na\u00efve \u4f60\u597d \U0001F600\n";
  const std::u32string points = from_utf8(text);
  std::string le, be;
  const auto unit = [&](unsigned value) {
    le += {static_cast<char>(value & 0xFF), static_cast<char>(value >> 8)};
    be += {static_cast<char>(value >> 8), static_cast<char>(value & 0xFF)};
  };
  for (const char32_t point : points) {
    if (point < 0x10000) {
      unit(static_cast<unsigned>(point));
    } else {
      unit(0xD800 + (static_cast<unsigned>(point - 0x10000) >> 10));
      unit(0xDC00 + (static_cast<unsigned>(point - 0x10000) & 0x3FF));
    }
  }
  EXPECT_EQ(text_in("\xEF\xBB\xBF" + text), text);
  EXPECT_EQ(text_in("\xFF\xFE" + le), text);
  EXPECT_EQ(text_in("\xFE\xFF" + be), text);
  EXPECT_EQ(text_in(packed("\xFE\xFF" + be, "gzip")), text);
  EXPECT_EQ(result_->meta.invalid_utf8, 0);
  // Half of a surrogate pair, and half of a character at the end.
  EXPECT_EQ(text_in("\xFF\xFE"s + "a\0\0\xD8"s + "b\0\n"s), "a\uFFFDb\uFFFD");
  EXPECT_EQ(result_->meta.invalid_utf8, 2);
  EXPECT_NE(said_.find("in.txt:1;"), said_.npos) << said_;
  // Of JSON lines, too, and in front of each of several files that were put after each other.
  const std::string row = "\xEF\xBB\xBF{\"text\": \"x\"}\r\n";
  EXPECT_EQ(text_in(row + "\r\n" + row, "in.jsonl"), "x\nx\n");
}

// Longer than any buffer on the way, so that characters are cut by each of them.
TEST_F(KindsOfText, LongTextsInOtherEncodings) {
  std::string latin, utf8;
  for (int i = 0; i < 60000; ++i) {
    latin += i % 3 ? "caf\xe9 " : "\x93ok\x94\n";
    utf8 += i % 3 ? "caf\u00e9 " : "\u201cok\u201d\n";
  }
  PrepareRequest asked = request(folder_.write("in.txt", latin));
  asked.encoding = "cp1252";
  EXPECT_TRUE(text_of(asked) == utf8);
  asked.encoding = "Windows-1252";
  EXPECT_TRUE(text_of(asked) == utf8);
  EXPECT_EQ(said_.find("invalid"), said_.npos);
  asked.encoding = "auto";
  text_of(asked);
  EXPECT_NE(said_.find("in.txt:1 (byte 0x93); if the text is in another encoding, name it, e.g. "
                       "--encoding=cp1252"),
            said_.npos)
      << said_;
  asked.encoding = "nonsense";
  EXPECT_NE(error_text<InputError>([&] {
              prepare(asked);
            }).find("encoding: 'nonsense' is not known here; expected auto or a name that"),
            std::string::npos);
  for (const char* name : {"latin-1", "utf_8", "UTF-8", "mac_roman", "ISO-8859-15"})
    EXPECT_NO_THROW(check_encoding(name)) << name;
}

TEST_F(KindsOfText, JsonOfAnyShapeGivesItsRows) {
  const std::string texts = "one\ntwo \"quoted\" [x] {y}\n\nlast\n";
  const std::string rows[] = {
      R"({"id": 1, "text": "one"})",
      R"({"text": "two \"quoted\" [x] {y}", "n": [1, [2]], "o": {"p": {}}})", R"({"text": ""})",
      R"({"text": "last"})"};
  std::string lines, array = "[", pretty;
  for (const std::string& row : rows) {
    lines += row + "\n";
    array += (array == "[" ? "\n  " : ",\n  ") + row;
    pretty += row.substr(0, 1) + "\n\t" + row.substr(1) + "\n";
  }
  const std::string minified = "[" + rows[0] + "," + rows[1] + "," + rows[2] + "," + rows[3] + "]";
  for (const char* name : {"in.json", "in.jsonl", "in.txt"}) {
    EXPECT_EQ(text_in(lines, name), texts) << name;
    EXPECT_EQ(text_in(array + "\n]\n", name), texts) << name;
    EXPECT_EQ(text_in(array + ",\n]", name), texts) << name;
    EXPECT_EQ(text_in(minified, name), texts) << name;
    EXPECT_EQ(text_in(pretty, name), texts) << name;
    EXPECT_EQ(text_in(packed(array + "]", "zstd"), name), texts) << name;
    EXPECT_EQ(result_->meta.documents, 4);
  }
  EXPECT_EQ(
      error_in(array, "in.json"),
      ": ends in the middle of its JSON, behind row 4: it is cut; get it again, or take it as "
      "plain text with --document=file");
  EXPECT_EQ(error_in(array + "] and more", "in.json").substr(0, 60),
            ": expected a JSON object behind row 4, found 'a'; mend the J");
  EXPECT_EQ(error_in("[{\"text\": \"a\"},, {\"text\": \"b\"}]", "in.json").substr(0, 60),
            ": row 2: expected a JSON object with a text at key \"text\" (c");
  EXPECT_NE(error_in("[{\"text\": \"a\nb\"}]", "in.json").find("no control characters"),
            std::string::npos);
}

TEST_F(KindsOfText, RowsWithoutATextAreAnErrorOrLeftOut) {
  const std::string good = R"({"text": "good"})"
                           "\n";
  for (const std::string row :
       {R"({"text": null})", R"({"id": 1})", R"({"text": 12.5})", R"({"text": ["a"]})", R"("text")",
        R"(["text"])", R"({"text": "cut)", R"({"text": true})", R"({})", "42", "null", "text"}) {
    const std::string lines = good + row + "\n" + good;
    EXPECT_NE(error_in(lines, "in.jsonl")
                  .find("leave such rows out with --bad_rows=skip (the same command resumes)"),
              std::string::npos)
        << error_in(lines, "in.jsonl");
    PrepareRequest asked = request(folder_ / "in.jsonl");
    asked.restart = false;  // continues where the error was
    asked.skip_bad_rows = true;
    EXPECT_EQ(text_of(asked), "good\ngood\n");
    EXPECT_EQ(result_->meta.skipped_rows, 1);
    EXPECT_NE(said_.find("1 rows without a text were left out: " + asked.inputs[0].string() +
                         ":2: expected "),
              said_.npos)
        << said_;
  }
  std::string many = good;
  for (int i = 0; i < 2000; ++i) many += "{\"text\": null}\n";
  PrepareRequest asked = request(folder_.write("in.jsonl", many));
  asked.skip_bad_rows = true;
  EXPECT_EQ(text_of(asked), "good\n");
  EXPECT_NE(said_.find("2,000 rows"), said_.npos) << said_;
  EXPECT_NE(said_.find("; and 1,997 more"), said_.npos) << said_;
  asked = request(folder_.write("in.jsonl", many.substr(good.size())));
  asked.skip_bad_rows = true;
  for (const bool bpe : {false, true}) {
    if (bpe) asked.tokenizer = std::make_shared<PairTokenizer>();
    EXPECT_NE(
        error_text<InputError>([&] { prepare(asked); }).find("none of the 2000 rows has a text"),
        std::string::npos);
  }
}

TEST_F(KindsOfText, NestedKeysAndTemplates) {
  const fs::path input = folder_.write(
      "in.jsonl", R"({"a": {"b": "nested", "c": {"d": "deep"}}, "a.x": "dotted", "n": 3,)"
                  R"( "list": [{"q": "first"}, {"q": "second"}], "answer": true})"
                  "\n");
  PrepareRequest asked = request(input);
  for (const auto& [key, text] : std::vector<std::pair<std::string, std::string>>{
           {"a.b", "nested"}, {"a.c.d", "deep"}, {"a.x", "dotted"}, {"list.1.q", "second"}}) {
    asked.text_key = key;
    EXPECT_EQ(text_of(asked), text + "\n");
  }
  for (const char* key : {"a", "a.b.c", "a.", ".a", "list.2.q", "list", "n", "no"}) {
    asked.text_key = key;
    EXPECT_NE(error_text<InputError>([&] { prepare(asked); }), "") << key;
  }
  asked.text_template = R"(Q: {a.b} {{{n}}}\n\tA: {answer}\\)";
  EXPECT_EQ(text_of(asked), "Q: nested {3}\n\tA: true\\\n");
  for (const auto& [pattern, problem] : std::vector<std::pair<std::string, std::string>>{
           {"no keys", "names no key"},
           {"{a", "expected a key and '}' behind the '{' at column 1"},
           {"x {}", "expected a key and '}' behind the '{' at column 3"},
           {"{a} }", "the '}' at column 5 closes nothing"}}) {
    asked.text_template = pattern;
    EXPECT_NE(error_text<InputError>([&] { prepare(asked); }).find(problem), std::string::npos)
        << pattern;
  }
  asked.text_template = "{a.b} {gone}";
  EXPECT_NE(error_text<InputError>([&] { prepare(asked); }).find("a text at key \"gone\""),
            std::string::npos);
}

TEST_F(KindsOfText, WithoutValidationThereIsNoValBin) {
  PrepareRequest asked = request(folder_.write("in.txt", some_text()));
  for (const bool bpe : {false, true}) {
    if (bpe) asked.tokenizer = std::make_shared<PairTokenizer>();
    asked.val_fraction = 0.1;
    prepare(asked);
    EXPECT_TRUE(fs::exists(folder_ / "out/val.bin"));
    asked.val_fraction = 0;
    prepare(asked);
    EXPECT_FALSE(fs::exists(folder_ / "out/val.bin"));
    EXPECT_TRUE(fs::exists(folder_ / "out/train.bin"));
    EXPECT_EQ(read_dataset_meta(folder_ / "out")->val_tokens, 0);
    EXPECT_EQ(read_dataset_meta(folder_ / "out")->characters,
              static_cast<std::int64_t>(some_text().size()));
  }
}

}  // namespace
}  // namespace gpt
