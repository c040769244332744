#include "gpt/dataprep/word_count.h"

#include <memory>
#include <mutex>
#include <utility>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

#include "chunk_pipeline.h"

namespace gpt {

namespace {

// A table for each thread that counts at the same time; all are added up at the end.
class CountTables {
 public:
  template <class Use>
  void use(const Use& use) {
    std::unique_ptr<WordCounts> table = take();
    use(*table);
    const std::scoped_lock lock(mutex_);
    idle_.push_back(std::move(table));
  }

  WordCounts sum() {
    WordCounts all;
    for (const auto& table : idle_) all.add(*table);
    idle_.clear();
    return all;
  }

 private:
  std::unique_ptr<WordCounts> take() {
    const std::scoped_lock lock(mutex_);
    if (idle_.empty()) return std::make_unique<WordCounts>();
    auto table = std::move(idle_.back());
    idle_.pop_back();
    return table;
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<WordCounts>> idle_;
};

void count_lines(std::string_view text, WordCounts& counts) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    counts.add_text(text.substr(0, end));
    text.remove_prefix(end);
  }
}

}  // namespace

std::optional<CountedWords> count_words(const WordCountRequest& request) {
  const RowPattern row = RowPattern::of_key(request.text_key);
  const InputRules rules{.document = request.document, .keys = row.columns()};
  const SourceFiles sources = find_source_files(request.inputs, request.out_dir, rules);
  if (sources.files.empty())
    throw InputError("there is no text to count words in; name text files or folders of them");
  const auto cut = [&](std::string_view text) {
    return request.by_line ? text.rfind('\n') + 1 : WordCounts::safe_cut(text);
  };
  const DocumentRules documents{.rows = row};
  CountTables tables;
  CountedWords counted{.words = {}, .files = std::ssize(sources.files)};
  const bool done = run_chunks<bool>(
      {.sources = sources,
       .rules = rules,
       .cut = cut,
       .threads = request.threads,
       .stop = request.stop},
      "counting words", {},
      [&](const TextChunk& chunk) {
        tables.use([&](WordCounts& counts) {
          for_each_part(chunk, documents, [&](const DocumentPart& part) {
            if (request.by_line)
              count_lines(part.text, counts);
            else
              counts.add_text(part.text);
          });
        });
        return true;
      },
      [&](bool&, const ReadPosition& after) { counted.bytes = after.all_bytes; });
  if (!done) return std::nullopt;
  counted.words = tables.sum();
  return counted;
}

}  // namespace gpt
