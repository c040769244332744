#include "gpt/dataprep/prepare.h"

#include <chrono>
#include <utility>

#include "gpt/base/checksum.h"
#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"
#include "gpt/dataprep/character_set.h"
#include "gpt/dataprep/dataset_folder.h"
#include "gpt/dataprep/end_split.h"
#include "gpt/dataprep/prepare_state.h"
#include "gpt/text/char_tokenizer.h"

#include "chunk_pipeline.h"
#include "prepare_rules.h"

namespace gpt {

namespace {

constexpr std::int64_t kLeastTokens = 2;  // the shortest window: a token and the one after it

SourceFiles listed_sources(const PrepareRequest& request) {
  SourceFiles sources =
      find_source_files(request.inputs, request.out_dir, input_rules(request), request.stop);
  if (!sources.files.empty() || sources.stopped) return sources;
  std::vector<std::string> inputs;
  for (const fs::path& input : request.inputs) inputs.push_back(input.string());
  throw InputError(concat(inputs.empty() ? "prepare" : join(inputs, ", "), ": no text to prepare",
                          sources.left_out.empty()
                              ? std::string()
                              : concat(" (left out: ", sources.left_out.text(), ")"),
                          "; name text files or folders of them"));
}

void check_length(const PrepareRequest& request, const char* unit, std::int64_t train,
                  std::int64_t val) {
  const bool no_val = request.val_fraction == 0;
  if (train >= kLeastTokens && (val >= kLeastTokens || no_val)) return;
  throw InputError(concat(request.inputs.front().string(), ": the text is too short: of its ",
                          train + val, " ", unit, " ", train, " are for training and ", val,
                          " for validation, and each needs at least ", kLeastTokens,
                          "; give more text or another val_fraction (0: no validation)"));
}

// Where nothing but bad rows was found, what is wrong with the first says most.
void check_rows(const BadRows& bad) {
  if (bad.count > 0)
    throw InputError(concat(bad.first.front(), "; none of the ", bad.count, " rows has a text"));
}

// What a preparation writes, as far as it has come.
class Files {
 public:
  Files(const DatasetFolder& folder, const PrepareState& from, bool masks)
      : train_(folder.temporary("train.bin"), from.train),
        val_(folder.temporary("val.bin"), from.val) {
    if (!masks) return;
    train_mask_.emplace(folder.temporary("train.mask"), from.train_mask);
    val_mask_.emplace(folder.temporary("val.mask"), from.val_mask);
  }

  void write(const EncodedChunk& chunk) {
    train_.write(chunk.tokens[EncodedChunk::kTrain]);
    val_.write(chunk.tokens[EncodedChunk::kVal]);
    if (train_mask_) train_mask_->write(chunk.masks[EncodedChunk::kTrain]);
    if (val_mask_) val_mask_->write(chunk.masks[EncodedChunk::kVal]);
  }

  void sync() {
    train_.sync();
    val_.sync();
    if (train_mask_) train_mask_->sync();
    if (val_mask_) val_mask_->sync();
  }

  void note_extents(PrepareState& state) const {
    state.train = train_.extent();
    state.val = val_.extent();
    if (train_mask_) state.train_mask = train_mask_->extent();
    if (val_mask_) state.val_mask = val_mask_->extent();
  }

 private:
  TokenWriter train_, val_;
  std::optional<TokenWriter> train_mask_, val_mask_;
};

// One preparation from request to dataset, or to the state from which it can be resumed.
class Preparation {
 public:
  Preparation(const PrepareRequest& request, SourceFiles sources)
      : request_(request),
        sources_(std::move(sources)),
        rules_(settle_rules(request, sources_)),
        tokenizer_(request.tokenizer) {}

  std::optional<PrepareResult> run() {
    resume_or_start();
    if (!tokenizer_ && !know_the_characters()) return std::nullopt;
    DatasetMeta meta;
    describe_tokenizer(*tokenizer_, meta);
    rules_.encoding.token_bytes = meta.token_bytes;
    if (!folder_) begin();
    state_.token_bytes = meta.token_bytes;
    if (!state_.read_all && !encode()) return std::nullopt;
    if (rules_.split_at_end)
      cut_at_end(
          state_, folder_->temporary("train.bin"), folder_->temporary("val.bin"),
          request_.val_fraction, *tokenizer_, [&] { save_state(folder_->state(), state_); },
          rules_.encoding.characters_of_tokens);
    return publish(std::move(meta));
  }

 private:
  std::int64_t tokens_in(const TokenWriter::Extent& extent) const {
    return static_cast<std::int64_t>(extent.bytes) / rules_.encoding.token_bytes;
  }
  ChunkPipeline chunk_pipeline(bool quiet) const {
    // The cut of a character vocabulary is that of any other one, but \r\n stays together.
    static const CharTokenizer any(U"\n");
    const Tokenizer& tokenizer = request_.tokenizer ? *request_.tokenizer : any;
    const bool one_text = rules_.encoding.documents.as_one_text;
    const EncodeOptions options{.added_tokens = rules_.encoding.added_tokens};
    return {.sources = sources_,
            .rules = input_rules(request_),
            .cut =
                [&tokenizer, one_text, options](std::string_view text) {
                  std::size_t cut = tokenizer.safe_cut(text, options);
                  while (one_text && cut > 0 && text[cut - 1] == '\r') --cut;
                  return cut;
                },
            .threads = request_.threads,
            .stop = request_.stop,
            .quiet = quiet};
  }

  void begin() {
    folder_.emplace(request_.out_dir, request_.force);
    folder_->forget();
  }

  void resume_or_start();
  void check_inputs(const std::vector<FileStamp>& stamps) const;
  bool temporaries_fit() const;
  bool know_the_characters();
  bool encode();
  bool has_masks() const { return rules_.encoding.documents.rows.has_answers(); }
  void take(const EncodedChunk& chunk, Files& files);
  void save(Files& files);
  PrepareResult publish(DatasetMeta meta);

  const PrepareRequest& request_;
  const SourceFiles sources_;
  PrepareRules rules_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::optional<DatasetFolder> folder_;
  PrepareState state_;
  Tokenizer::AddedTokensFound added_tokens_;
};

void Preparation::resume_or_start() {
  state_.request = rules_.request;
  const fs::path file = DatasetFolder::state(request_.out_dir);
  if (request_.restart || !file_exists(file)) return;
  folder_.emplace(request_.out_dir, request_.force);
  auto found = load_state(file);
  if (!found) return folder_->forget();
  check_same_request(request_.out_dir, found->request, rules_.request);
  std::swap(state_, *found);
  check_inputs(state_.character_files);
  check_inputs(state_.files);
  if (!temporaries_fit()) {
    log_warning(request_.out_dir.string() + ": unfinished files are missing; starting over");
    state_ = PrepareState();
    state_.request = rules_.request;
    return folder_->forget();
  }
  log_info(concat(request_.out_dir.string(), ": resuming after ",
                  human_bytes(state_.position.all_bytes), " of text"));
}

void Preparation::check_inputs(const std::vector<FileStamp>& stamps) const {
  for (std::size_t i = 0; i < stamps.size(); ++i) {
    const SourceFile* file = i < sources_.files.size() ? &sources_.files[i] : nullptr;
    if (file &&
        (file->stream || (file->bytes == stamps[i].bytes && file->modified == stamps[i].modified)))
      continue;
    throw InputError(concat(file ? file->name() : request_.out_dir.string(),
                            ": is not what the interrupted run read here (input ", i + 1,
                            " changed, came or went); give the same text, or start again with "
                            "--restart"));
  }
}

bool Preparation::temporaries_fit() const {
  TokenWriter::Extent train = state_.train;
  if (state_.cut) train.bytes = static_cast<std::uint64_t>(state_.cut->keep * state_.token_bytes);
  return TokenWriter::can_resume(folder_->temporary("train.bin"), train) &&
         TokenWriter::can_resume(folder_->temporary("val.bin"), state_.val) &&
         TokenWriter::can_resume(folder_->temporary("train.mask"), state_.train_mask) &&
         TokenWriter::can_resume(folder_->temporary("val.mask"), state_.val_mask);
}

// False if it was stopped.
bool Preparation::know_the_characters() {
  if (state_.characters.empty()) {
    CharacterSet set;
    std::size_t file = 0;
    const bool done = run_chunks<std::pair<CharacterSet, std::optional<FileStamp>>>(
        chunk_pipeline(/*quiet=*/true), "reading", {},
        [&](const TextChunk& chunk) {
          return std::pair(character_set_of(chunk, rules_.encoding.documents), chunk.finished);
        },
        [&](auto& result, const ReadPosition&) {
          add_characters(set, result.first, sources_.files[file]);
          if (!result.second) return;
          state_.character_files.push_back(*result.second);
          ++file;
        });
    if (!done) {
      log_info("stopped before anything was read; the same command resumes from the start");
      return false;
    }
    if (set.count == 0) check_rows(set.bad_rows);
    const std::int64_t train = train_character_count(set.count, request_.val_fraction);
    check_length(request_, "characters", train, set.count - train);
    state_.characters = std::move(set.characters);
  }
  tokenizer_ = std::make_shared<CharTokenizer>(state_.characters);
  return true;
}

// False if it was stopped, and the state saved.
bool Preparation::encode() {
  Files files(*folder_, state_, has_masks());
  auto saved = std::chrono::steady_clock::now();
  const auto work = [&](const TextChunk& chunk) {
    const SourceFile& file = sources_.files[chunk.file];
    try {
      return encode_chunk(chunk, *tokenizer_, rules_.encoding);
    } catch (const InputError&) {
      if (state_.characters.empty()) throw;
      SourceFiles::changed(file);  // it was all there when the characters were taken
    }
  };
  const auto each = [&](EncodedChunk& chunk, const ReadPosition&) {
    take(chunk, files);
    const std::chrono::duration<double> age = std::chrono::steady_clock::now() - saved;
    if (age.count() < request_.save_seconds) return;
    save(files);
    saved = std::chrono::steady_clock::now();
  };
  bool done = false;
  try {
    done = run_chunks<EncodedChunk>(chunk_pipeline(/*quiet=*/false), "encoding", state_.position,
                                    work, each);
  } catch (const IoError&) {
    throw;  // the last state that could be written counts
  } catch (const Error&) {
    // With other characters than were counted all is to be done again.
    state_.character_files.empty() ? save(files) : folder_->forget();
    throw;
  }
  state_.read_all = done;
  save(files);
  if (!done)
    log_info(concat("stopped after ", human_bytes(state_.position.all_bytes),
                    " of text; the same command resumes"));
  return done;
}

void Preparation::take(const EncodedChunk& chunk, Files& files) {
  if (chunk.finished) {
    const std::size_t index = state_.files.size();
    if (index < state_.character_files.size() && state_.character_files[index] != *chunk.finished) {
      SourceFiles::changed(sources_.files[index]);
    }
    state_.files.push_back(*chunk.finished);
  }
  files.write(chunk);
  // From here on the state is that behind the chunk; before, that in front of it.
  files.note_extents(state_);
  state_.position = chunk.after;
  for (std::size_t side = 0; side < 2; ++side) {
    state_.documents[side] += chunk.documents[side];
    state_.counted[side] += chunk.counted[side];
  }
  state_.text_characters += chunk.characters;
  state_.invalid += chunk.invalid;
  if (state_.first_invalid.empty()) state_.first_invalid = chunk.first_invalid;
  state_.bad_rows.add(chunk.bad_rows);
  if (added_tokens_.count == 0) added_tokens_.first = chunk.added_tokens.first;
  added_tokens_.count += chunk.added_tokens.count;
  if (rules_.split_at_end)
    add_mark(state_.marks, {state_.text_characters, tokens_in(state_.train), state_.train.crc},
             request_.val_fraction);
}

void Preparation::save(Files& files) {
  files.sync();
  save_state(folder_->state(), state_);
}

PrepareResult Preparation::publish(DatasetMeta meta) {
  meta.tokenizer_file = request_.tokenizer_file;
  meta.tokenizer_crc32c = request_.tokenizer_crc32c;
  meta.bytes = static_cast<std::int64_t>(state_.position.all_bytes);
  meta.characters = state_.text_characters;
  meta.documents = state_.documents[0] + state_.documents[1];
  meta.val_documents = state_.documents[1];
  meta.train_tokens = tokens_in(state_.train);
  meta.val_tokens = tokens_in(state_.val);
  meta.train_crc32c = hex32(state_.train.crc);
  meta.val_crc32c = hex32(state_.val.crc);
  meta.input_crc32c = hex32(state_.position.all_crc);
  if (has_masks()) {
    meta.train_counted = state_.counted[EncodedChunk::kTrain];
    meta.val_counted = state_.counted[EncodedChunk::kVal];
    meta.train_mask_crc32c = hex32(state_.train_mask.crc);
    meta.val_mask_crc32c = hex32(state_.val_mask.crc);
  }
  meta.split = rules_.split;
  meta.eot = rules_.eot;
  meta.seed = request_.seed;
  meta.val_fraction = request_.val_fraction;
  meta.invalid_utf8 = state_.invalid;
  meta.skipped_rows = state_.bad_rows.count;
  for (const fs::path& input : request_.inputs) meta.sources.push_back(source_name(input));
  const bool with_val = request_.val_fraction > 0;
  if (meta.train_tokens < kLeastTokens || (with_val && meta.val_tokens < kLeastTokens))
    folder_->forget();
  if (meta.documents == 0) check_rows(state_.bad_rows);
  check_length(request_, "tokens", meta.train_tokens, meta.val_tokens);
  replace_file(folder_->temporary("meta.json"), to_json(meta));
  folder_->publish(with_val, has_masks());
  return {.meta = std::move(meta),
          .files = static_cast<std::int64_t>(sources_.files.size()),
          .left_out = sources_.left_out,
          .first_invalid = state_.first_invalid,
          .bad_rows = state_.bad_rows,
          .added_tokens = added_tokens_};
}

void log_invalid(const PrepareResult& result) {
  if (result.meta.invalid_utf8 == 0) return;
  log_warning(concat(
      result.meta.invalid_utf8, " invalid UTF-8 sequences ",
      result.meta.tokenizer == "char" ? "became U+FFFD" : "are kept as they are",
      result.first_invalid.empty() ? "" : concat(", the first in ", result.first_invalid),
      "; if the text is in another encoding, name it, e.g. --encoding=cp1252 (Western Windows)"));
}

void log_bad_rows(const BadRows& bad) {
  if (bad.count == 0) return;
  const auto unnamed = bad.count - static_cast<std::int64_t>(bad.first.size());
  log_warning(concat(with_commas(bad.count),
                     " rows without a text were left out: ", join(bad.first, "; "),
                     unnamed > 0 ? concat("; and ", with_commas(unnamed), " more") : ""));
}

// A split that is shorter than a block cannot be trained on; few use one of less than this.
void log_short_split(const DatasetMeta& meta) {
  constexpr std::int64_t kSmallBlock = 256;
  const bool no_val = meta.val_fraction == 0;
  const std::int64_t least =
      no_val ? meta.train_tokens : std::min(meta.train_tokens, meta.val_tokens);
  if (least > kSmallBlock) return;
  log_warning(concat(least == meta.train_tokens ? "train.bin" : "val.bin", " has ", least,
                     " tokens: training on it needs a block_size of ", least - 1,
                     " or less, more text",
                     no_val ? "" : ", or another val_fraction (0: no validation)"));
}

void log_added_tokens(const Tokenizer::AddedTokensFound& found, bool as_tokens) {
  if (found.count == 0) return;
  log_info(concat(
      quoted_name(found.first), " and the like stand ", found.count, " time(s) in the text; ",
      as_tokens ? "each became that one token"
                : "they were taken as ordinary text; --added_tokens=True makes each the "
                  "one token that it names, as transformers does"));
}

void log_oddities(const PrepareResult& result, bool as_tokens) {
  if (!result.left_out.empty()) log_info(concat("left out ", result.left_out.text()));
  log_added_tokens(result.added_tokens, as_tokens);
  log_invalid(result);
  log_bad_rows(result.bad_rows);
  log_short_split(result.meta);
}

}  // namespace

std::optional<PrepareResult> prepare(const PrepareRequest& request) {
  if (!(request.val_fraction >= 0 && request.val_fraction < 1))
    throw InputError(concat("val_fraction: expected a number from 0 to less than 1, found ",
                            request.val_fraction));
  DatasetFolder::check(request.out_dir, request.force);
  SourceFiles sources = listed_sources(request);
  if (sources.stopped) {
    log_info("stopped before anything was read; the same command resumes from the start");
    return std::nullopt;
  }
  auto result = Preparation(request, std::move(sources)).run();
  if (result) log_oddities(*result, request.added_tokens);
  return result;
}

}  // namespace gpt
