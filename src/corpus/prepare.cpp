#include "gpt/corpus/prepare.h"

#include <algorithm>
#include <bit>
#include <span>
#include <string>
#include <utility>

#include "gpt/base/checksum.h"
#include "gpt/base/error.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/corpus/dataset_folder.h"
#include "gpt/corpus/source_text.h"
#include "gpt/text/char_tokenizer.h"
#include "gpt/text/utf8.h"

namespace gpt {

namespace fs = std::filesystem;

namespace {

static_assert(std::endian::native == std::endian::little, "token files are little-endian");

class TokenWriter {
 public:
  explicit TokenWriter(const fs::path& path) : file_(path) {}
  void write(std::span<const std::uint16_t> tokens) {
    const auto bytes = std::as_bytes(tokens);
    crc_.update(bytes);
    file_.write(bytes);
  }
  // The file's checksum.
  std::string close() {
    file_.sync();
    file_.close();
    return hex32(crc_.value());
  }

 private:
  OutputFile file_;
  Crc32c crc_;
};

struct Census {
  std::u32string characters;  // distinct, sorted
  std::int64_t count = 0;
};

Census take_census(SourceText& text) {
  Census census;
  std::vector<bool> seen(0x110000, false);
  text.read("reading", [&](std::u32string_view piece, const fs::path& file) {
    census.count += static_cast<std::int64_t>(piece.size());
    for (const char32_t character : piece) {
      if (seen[character]) continue;
      seen[character] = true;
      census.characters.push_back(character);
    }
    if (census.characters.size() > CharTokenizer::kMaxVocabulary)
      throw InputError(concat(file.string(), ": the text has more than ",
                              CharTokenizer::kMaxVocabulary,
                              " distinct characters, too many for 16-bit tokens; leave this file "
                              "out"));
  });
  std::sort(census.characters.begin(), census.characters.end());
  return census;
}

// Encodes the text into both files; fills the checksums of `meta`.
void write_tokens(SourceText& text, const CharTokenizer& tokenizer, const DatasetFolder& folder,
                  DatasetMeta& meta) {
  TokenWriter train(folder.temporary("train.bin")), val(folder.temporary("val.bin"));
  std::vector<std::uint16_t> tokens;
  std::int64_t left = meta.train_tokens;
  text.read("encoding", [&](std::u32string_view piece, const fs::path& file) {
    tokens.clear();
    for (const char32_t character : piece) {
      const auto token = tokenizer.token_of(character);
      if (!token) SourceText::changed(file);
      tokens.push_back(*token);
    }
    const auto size = static_cast<std::int64_t>(tokens.size());
    const auto to_train = static_cast<std::size_t>(std::min(left, size));
    train.write(std::span(tokens).first(to_train));
    val.write(std::span(tokens).subspan(to_train));
    left -= static_cast<std::int64_t>(to_train);
  });
  meta.train_crc32c = train.close();
  meta.val_crc32c = val.close();
}

// File names may be any bytes; JSON takes UTF-8 only.
std::string source_name(const fs::path& input) {
  std::error_code no_such_place;
  fs::path path = fs::absolute(input, no_such_place).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();  // "folder/"
  return to_utf8(from_utf8(path.filename().string()));
}

void log_oddities(const PrepareResult& result) {
  if (result.skipped_empty + result.skipped_binary > 0)
    log_info(concat("skipped ", result.skipped_empty, " empty and ", result.skipped_binary,
                    " binary files"));
  if (result.meta.invalid_utf8 > 0)
    log_warning(concat(result.meta.invalid_utf8,
                       " invalid UTF-8 sequences became U+FFFD; is the text in another encoding?"));
}

SourceText open_sources(const PrepareRequest& request) {
  SourceFiles sources = find_source_files(request.inputs, request.out_dir);
  if (!sources.files.empty()) return SourceText(std::move(sources));
  std::vector<std::string> inputs;
  for (const fs::path& input : request.inputs) inputs.push_back(input.string());
  throw InputError(concat(inputs.empty() ? "prepare" : join(inputs, ", "), ": no text to prepare (",
                          sources.skipped_empty, " empty and ", sources.skipped_binary,
                          " binary files skipped); name text files or folders of them"));
}

void check_length(const PrepareRequest& request, std::int64_t characters, std::int64_t train) {
  constexpr std::int64_t kLeast = 2;  // the shortest window: a token and the one after it
  if (train >= kLeast && characters - train >= kLeast) return;
  throw InputError(concat(request.inputs.front().string(), ": the text is too short: of its ",
                          characters, " characters ", train, " are for training and ",
                          characters - train, " for validation, and each needs at least ", kLeast,
                          "; give more text or another val_fraction"));
}

}  // namespace

std::int64_t train_token_count(std::int64_t characters, double val_fraction) {
  return static_cast<std::int64_t>(static_cast<double>(characters) * (1.0 - val_fraction));
}

PrepareResult prepare(const PrepareRequest& request) {
  if (!(request.val_fraction > 0 && request.val_fraction < 1))
    throw InputError(
        concat("val_fraction: expected a number between 0 and 1, found ", request.val_fraction));
  DatasetFolder::check(request.out_dir, request.force);

  SourceText text = open_sources(request);
  Census census = take_census(text);
  const std::int64_t train = train_token_count(census.count, request.val_fraction);
  check_length(request, census.count, train);

  const CharTokenizer tokenizer(std::move(census.characters));
  PrepareResult result{.meta = {.characters = census.count,
                                .train_tokens = train,
                                .val_tokens = census.count - train,
                                .invalid_utf8 = text.invalid_utf8()},
                       .bytes = text.sources().total_bytes(),
                       .files = static_cast<std::int64_t>(text.sources().files.size()),
                       .skipped_empty = text.sources().skipped_empty,
                       .skipped_binary = text.sources().skipped_binary};
  for (const fs::path& input : request.inputs) result.meta.sources.push_back(source_name(input));

  DatasetFolder folder(request.out_dir, request.force);
  describe_tokenizer(tokenizer, result.meta);
  write_tokens(text, tokenizer, folder, result.meta);
  replace_file(folder.temporary("meta.json"), to_json(result.meta));
  folder.publish();
  log_oddities(result);
  return result;
}

}  // namespace gpt
