#include "gpt/dataprep/chunk_reader.h"

#include <algorithm>
#include <span>
#include <utility>

#include "gpt/base/error.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

constexpr std::size_t kChunkReadBytes = std::size_t{256} << 10;

// The last place within `text` that is not inside a UTF-8 sequence.
std::size_t between_characters(std::string_view text) {
  std::size_t cut = text.size();
  for (int i = 0; i < 4 && cut > 0; ++i) {
    const auto byte = static_cast<unsigned char>(text[cut - 1]);
    if (byte < 0x80) return cut;
    --cut;
    if (byte >= 0xC0) return cut;
  }
  return text.size();  // no UTF-8 at all
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

}  // namespace

ChunkReader::ChunkReader(const SourceFiles& sources, InputRules rules, Cut cut,
                         const ReadPosition& from, bool quiet)
    : sources_(sources),
      rules_(std::move(rules)),
      cut_(std::move(cut)),
      position_(from),
      all_crc_(from.all_crc),
      quiet_(quiet) {
  for (std::size_t i = 0; i < position_.file && i < sources.files.size(); ++i)
    earlier_files_ += static_cast<double>(sources.files[i].bytes);
}

std::optional<TextChunk> ChunkReader::next(const std::stop_token& stop) {
  if (position_.file >= sources_.files.size()) return std::nullopt;
  if (!stream_) open(stop);
  const std::size_t bytes = fill(stop);
  if (stop.stop_requested()) return std::nullopt;
  TextChunk chunk = take(bytes);
  if (ended_ && buffer_.empty()) finish_text(chunk, stop);
  if (stop.stop_requested()) return std::nullopt;
  chunk.after = position_;
  return chunk;
}

void ChunkReader::open(const std::stop_token& stop) {
  stream_ = std::make_unique<InputStream>(file(), rules_, [stop] { return stop.stop_requested(); });
  buffer_.clear();
  crc_ = Crc32c();
  has_text_ = stream_->next_text();
  ended_ = !has_text_;
  if (position_.offset > 0 || position_.text > 0) skip_to_position(stop);
}

// What was read before must be there again; it is read again to make sure.
void ChunkReader::skip_to_position(const std::stop_token& stop) {
  std::string bytes(kChunkReadBytes, '\0');
  constexpr auto kOther = ~std::uint64_t{0};
  std::uint64_t left = position_.offset;
  bool there = has_text_;
  for (std::uint64_t text = 0; there && !stop.stop_requested(); ++text) {
    // The texts before the one we are in have to end where they did.
    const bool before = text < position_.text;
    while (left > 0 || before) {
      const std::size_t wanted = left > 0 ? std::min<std::uint64_t>(left, bytes.size()) : 1;
      const std::size_t got = stream_->read(bytes.data(), wanted);
      if (got == 0) break;
      if (got > left) left = kOther;
      crc_.update(bytes_of({bytes.data(), got}));
      left -= std::min<std::uint64_t>(got, left);
    }
    if (!before) break;
    has_text_ = there = stream_->next_text();
  }
  if (stop.stop_requested()) return;
  if (there && left == 0 && crc_.value() == position_.crc) return;
  throw InputError(concat(file().name(), ": is not what the interrupted run read (its first ",
                          position_.offset,
                          " bytes differ); give the same text, or start "
                          "again with --force"));
}

void ChunkReader::read_more() {
  const std::size_t have = buffer_.size();
  buffer_.resize(have + kChunkReadBytes);
  const std::size_t got = stream_->read(buffer_.data() + have, kChunkReadBytes);
  buffer_.resize(have + got);
  ended_ = got == 0;
}

// How much of the buffer is the next chunk.
std::size_t ChunkReader::fill(const std::stop_token& stop) {
  std::size_t wanted = kChunkBytes;
  while (!ended_ && !stop.stop_requested()) {
    if (buffer_.size() >= wanted) {
      const std::size_t cut = place_to_cut();
      if (cut > 0) return cut;
      wanted = 2 * buffer_.size();
    }
    read_more();
  }
  return buffer_.size();
}

std::size_t ChunkReader::place_to_cut() const {
  if (stream_->text().layout == Layout::kWhole) {
    const std::size_t cut = cut_(buffer_);
    return cut > 0 || buffer_.size() < kLongestRun ? cut : between_characters(buffer_);
  }
  const std::size_t newline = buffer_.rfind('\n');
  if (newline != std::string::npos) return newline + 1;
  if (buffer_.size() >= kLongestLine)
    throw InputError(concat(place_in(stream_->text(), position_.line + 1),
                            ": expected lines of at most ", human_bytes(kLongestLine),
                            "; give the file as --document=file"));
  return 0;
}

TextChunk ChunkReader::take(std::size_t bytes) {
  TextChunk chunk{.bytes = buffer_.substr(0, bytes),
                  .file = position_.file,
                  .text = stream_->text(),
                  .begins = !position_.inside,
                  .ends = false,
                  .first_document = position_.document,
                  .first_line = position_.line + 1,
                  .after = {},
                  .finished = {},
                  .disk_bytes = earlier_files_ + static_cast<double>(stream_->consumed())};
  if (!has_text_) chunk.text.layout = Layout::kLines;  // so that nothing is no document
  buffer_.erase(0, bytes);
  crc_.update(bytes_of(chunk.bytes));
  all_crc_.update(bytes_of(chunk.bytes));
  position_.offset += bytes;
  position_.crc = crc_.value();
  position_.all_bytes += bytes;
  position_.all_crc = all_crc_.value();
  std::int64_t lines = std::count(chunk.bytes.begin(), chunk.bytes.end(), '\n');
  if (chunk.text.layout == Layout::kWhole) {
    position_.inside = true;
    position_.line += lines;
    return chunk;
  }
  if (!chunk.bytes.empty() && chunk.bytes.back() != '\n') ++lines;
  position_.line += lines;
  position_.document += lines;
  return chunk;
}

void ChunkReader::finish_text(TextChunk& chunk, const std::stop_token& stop) {
  if (has_text_ && chunk.text.layout == Layout::kWhole) {
    chunk.ends = true;
    ++position_.document;
  }
  position_.inside = false;
  position_.line = 0;
  ++position_.text;
  has_text_ = stream_->next_text();
  ended_ = false;
  if (!has_text_ && !stop.stop_requested()) finish_file(chunk);
}

void ChunkReader::finish_file(TextChunk& chunk) {
  if (!SourceFiles::is_unchanged(file())) SourceFiles::changed(file());
  chunk.finished = FileStamp{file().bytes, file().modified, position_.offset, position_.crc};
  if (!quiet_) {
    for (const std::string& warning : stream_->warnings()) log_warning(warning);
    if (!stream_->left_out().empty())
      log_info(concat(file().name(), ": left out ", stream_->left_out().text()));
  }
  earlier_files_ += static_cast<double>(file().bytes);
  chunk.disk_bytes = earlier_files_;
  stream_.reset();
  position_.text = 0;
  position_.offset = 0;
  position_.crc = 0;
  ++position_.file;
}

}  // namespace gpt
