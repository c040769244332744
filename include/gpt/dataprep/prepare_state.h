// What an interrupted `prepare` leaves behind next to its unfinished files, so that the same
// command continues where it was.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "gpt/dataprep/text_chunk.h"
#include "gpt/dataprep/token_writer.h"

namespace gpt {

// A place between two chunks: so many characters and tokens lie before it, and those tokens'
// CRC-32C on disk.
struct TextMark {
  std::int64_t characters = 0, tokens = 0;
  std::uint32_t crc = 0;
};

// How train.bin, which holds all tokens at first, is cut: its first `keep` tokens, then `then`.
struct TrainCut {
  std::int64_t keep = 0;
  std::vector<std::int32_t> then;
};

struct PrepareState {
  std::string request;  // what was asked for, as JSON: only the same continues
  // Of a character vocabulary: taken from the whole text, which had these files.
  std::u32string characters;
  std::vector<FileStamp> character_files;

  std::int64_t token_bytes = 2;
  std::vector<FileStamp> files;  // encoded to their end
  ReadPosition position;
  TokenWriter::Extent train, val, train_mask, val_mask;
  std::array<std::int64_t, 2> counted = {};    // targets that count, where there are masks
  std::array<std::int64_t, 2> documents = {};  // EncodedChunk::Side
  std::int64_t text_characters = 0, invalid = 0;
  std::string first_invalid;  // where
  BadRows bad_rows;
  std::vector<TextMark> marks = {{}};  // candidates for the place of a split at the end
  bool read_all = false;
  std::optional<TrainCut> cut;  // decided, and val.bin is written
};

// Synced before it replaces the one before. IoError.
void save_state(const std::filesystem::path& path, const PrepareState& state);

// Nothing where there is no file, or one that cannot be understood (which is logged).
std::optional<PrepareState> load_state(const std::filesystem::path& path);

}  // namespace gpt
