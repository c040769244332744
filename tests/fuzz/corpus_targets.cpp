#include <algorithm>
#include <filesystem>

#include "gpt/base/error.h"
#include "gpt/dataprep/dataset_meta.h"
#include "gpt/dataprep/input_stream.h"
#include "gpt/dataprep/json_text.h"
#include "gpt/dataprep/prepare_state.h"
#include "gpt/eval/hellaswag.h"
#include "gpt/eval/lambada.h"
#include "gpt/metrics/html_report.h"
#include "gpt/metrics/run_data.h"
#include "gpt/metrics/terminal_report.h"
#include "gpt/text/char_tokenizer.h"
#include "gpt/text/tokenizer_files.h"

#include "fuzz/targets.h"
#include "support/temp_dir.h"

namespace gpt::fuzz {

namespace {

// Readers that look for a name in a folder need a folder; one will do for all inputs.
const testing::TempDir& folder() {
  static const testing::TempDir kFolder;
  return kFolder;
}

void read_meta(const std::string& name, std::string_view bytes) {
  folder().write(name, bytes);
  const std::optional<DatasetMeta> meta = read_dataset_meta(folder().path());
  std::filesystem::remove(folder() / name);
  if (!meta) return;
  same_vocabulary(meta->json, meta->json);
  to_json(*meta);
  if (meta->tokenizer != "gpt2")  // it would only read the same vocabulary each time
    tokenizer_of_meta(meta->json, "input")->encode("a\n", "text");
}

const CharTokenizer& characters() {
  static const CharTokenizer kTokenizer = [] {
    std::u32string all;
    for (char32_t code = 1; code < 256; ++code) all += code;
    all += U'\uFFFD';
    return CharTokenizer(all);
  }();
  return kTokenizer;
}

// Answers are in order and within the text.
void check_answers(const RowText& row) {
  std::size_t at = 0;
  for (const TextSpan& answer : row.answers) {
    if (answer.begin < at || answer.end < answer.begin || answer.end > row.text.size())
      std::abort();
    at = answer.end + 1;
  }
}

}  // namespace

void read_meta_json(std::string_view bytes) {
  std::filesystem::remove(folder() / "meta.pkl");
  read_meta("meta.json", bytes);
}

void read_meta_pickle(std::string_view bytes) {
  std::filesystem::remove(folder() / "meta.json");
  read_meta("meta.pkl", bytes);
}

// All that a report is made of, and a table.
void read_metrics(std::string_view bytes) {
  const BytesFile input(bytes);
  std::vector<RunData> runs{read_run_files(input.path(), input.path(), input.path(), 20)};
  name_runs(runs);
  report_page(report_json(runs, /*watched=*/false, 0));
  terminal_report(runs, {});
}

void read_json_line(std::string_view bytes) {
  for (const RowPattern& pattern :
       {RowPattern::of_key("text"), RowPattern::of_key("a.b.0"),
        RowPattern::of_template("{a}\\n{#text}{text}{/text}{a.b}", "text"),
        RowPattern::of_messages("{role}:{content}\\n")})
    read_or_refuse([&] { check_answers(read_json_text(bytes, pattern, "input")); });
  for (const bool whole : {false, true})
    for (const bool named : {false, true}) json_shape(bytes, whole, named);
  read_or_refuse([&] { RowPattern::of_template(std::string(bytes)); });
}

void read_documents(std::string_view bytes) {
  TextChunk chunk;
  chunk.bytes = bytes;
  chunk.text.name = "input";
  for (const bool as_one_text : {false, true})
    for (const Layout layout : {Layout::kWhole, Layout::kLines, Layout::kJson}) {
      chunk.text.layout = layout;
      read_or_refuse([&] {
        for_each_part(chunk, {.skip_bad_rows = as_one_text, .as_one_text = as_one_text},
                      [](const DocumentPart& part) { count_characters(part.text); });
      });
    }
}

void read_prepare_input(std::string_view bytes) {
  // Of the ways to pack a member of a zip file, those whose memory libarchive cannot be told.
  for (std::size_t at = 0; (at = bytes.find("PK", at)) != bytes.npos; ++at)
    for (const std::size_t method : {8, 10})  // of a local header, and of one in the directory
      if (at + method < bytes.size() && bytes[at + method] != 0 && bytes[at + method] != 8) return;
  folder().write("in", bytes);
  const std::filesystem::path path = folder() / "in";
  for (const char* encoding : {"auto", "utf-16", "cp1252"})
    read_or_refuse([&] {
      const InputRules rules{.encoding = encoding, .unpacking_memory = std::uint64_t{64} << 20};
      for (const SourceFile& file : find_source_files({path}, "out", rules).files) {
        InputStream stream(file, rules);
        char text[4096];
        std::size_t most = std::size_t{4} << 20;  // of what may be well packed
        while (most > 0 && stream.next_text())
          while (const std::size_t got = stream.read(text, std::min(most, sizeof text)))
            most -= got;
      }
    });
}

void read_prepare_state(std::string_view bytes) {
  const BytesFile input(bytes);
  const std::optional<PrepareState> state = load_state(input.path());
  if (!state) throw InputError("input: is no state");
  save_state(folder() / "state", *state);
  if (!load_state(folder() / "state")) throw std::logic_error("a state cannot be read again");
}

void read_eval_lines(std::string_view bytes) {
  const BytesFile input(bytes);
  for (const HellaswagStyle style : {HellaswagStyle::kLlmc, HellaswagStyle::kLmEval})
    read_or_refuse([&] { read_hellaswag_jsonl(input.path(), characters(), style); });
  read_lambada(input.path(), characters());
}

void read_hellaswag(std::string_view bytes) {
  const BytesFile input(bytes);
  if (is_hellaswag_bin(input.path())) {
    read_or_refuse([&] { read_hellaswag_bin(input.path(), 255, &characters()); });
    read_hellaswag_bin(input.path(), 50257, nullptr);
  }
}

}  // namespace gpt::fuzz
