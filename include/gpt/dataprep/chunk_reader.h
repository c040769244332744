// The sources as a sequence of chunks.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "gpt/base/checksum.h"
#include "gpt/dataprep/input_stream.h"
#include "gpt/dataprep/text_chunk.h"

namespace gpt {

// Where chunks begin and end depends on the text alone. A whole document is cut where `cut` allows
// it; a text that gives no such place for kLongestRun bytes is cut between two characters all the
// same, so that memory stays bounded. Lines stay whole.
class ChunkReader {
 public:
  static constexpr std::size_t kChunkBytes = std::size_t{256} << 10;
  static constexpr std::size_t kLongestRun = std::size_t{2} << 20;
  static constexpr std::size_t kLongestLine = std::size_t{32} << 20;

  // Length of the longest prefix after which a text may be cut; 0: none. Tokenizer::safe_cut.
  using Cut = std::function<std::size_t(std::string_view)>;

  // `sources` must outlive it. Resumes at `from`, whose CRC what lies before must have. What is odd
  // about a file is logged at its end, unless `quiet`.
  ChunkReader(const SourceFiles& sources, InputRules rules, Cut cut, const ReadPosition& from = {},
              bool quiet = false);

  // Nothing at the end, or when `stop` is requested. InputError (or Error for a file that changes
  // meanwhile) as the streams have them.
  std::optional<TextChunk> next(const std::stop_token& stop);

 private:
  const SourceFile& file() const { return sources_.files[position_.file]; }
  void open(const std::stop_token& stop);
  void skip_to_position(const std::stop_token& stop);
  std::size_t fill(const std::stop_token& stop);
  void read_more();
  std::size_t place_to_cut() const;
  TextChunk take(std::size_t bytes);
  void finish_text(TextChunk& chunk, const std::stop_token& stop);
  void finish_file(TextChunk& chunk);

  const SourceFiles& sources_;
  const InputRules rules_;
  const Cut cut_;
  ReadPosition position_;
  Crc32c crc_, all_crc_;
  const bool quiet_;
  std::unique_ptr<InputStream> stream_;  // of the file at position_
  bool has_text_ = false;                // whether it is at one
  std::string buffer_;                   // read, not yet given out
  bool ended_ = false;                   // the stream
  double earlier_files_ = 0;             // bytes on disk of the files before
};

}  // namespace gpt
