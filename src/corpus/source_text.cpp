#include "gpt/corpus/source_text.h"

#include <cerrno>
#include <cstdio>
#include <memory>
#include <span>

#include "gpt/base/checksum.h"
#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"
#include "gpt/text/utf8.h"

namespace gpt {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kChunkBytes = std::size_t{1} << 20;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

// Not MappedFile: a file that shrinks while it is read must be an error, not a bus error.
class InputFile {
 public:
  explicit InputFile(const fs::path& path)
      : path_(path), file_(std::fopen(path.c_str(), "rb")), chunk_(kChunkBytes) {
    if (!file_) fail("open");
  }

  // Empty at the end; valid until the next call.
  std::string_view next() {
    const std::size_t read = std::fread(chunk_.data(), 1, chunk_.size(), file_.get());
    if (read == 0 && std::ferror(file_.get()) != 0) fail("read");
    return {chunk_.data(), read};
  }

 private:
  [[noreturn]] void fail(const char* call) const {
    throw InputError(IoError(path_.string(), call, errno).what());
  }

  fs::path path_;
  std::unique_ptr<std::FILE, CloseFile> file_;
  std::vector<char> chunk_;
};

}  // namespace

void SourceText::changed(const fs::path& file) {
  throw Error(
      concat(file.string(), ": changed while it was prepared; nothing was written, start again"));
}

void SourceText::read(const std::string& title, const Take& take) {
  const bool first = first_read_.empty();
  Utf8Decoder decoder(Utf8Decoder::Newlines::kUniversal);
  ProgressLine progress(title, static_cast<double>(sources_.total_bytes()));
  double done = 0;
  std::u32string text;
  for (std::size_t i = 0; i < sources_.files.size(); ++i) {
    const fs::path& path = sources_.files[i];
    InputFile file(path);
    Crc32c crc;
    Fingerprint seen;
    for (auto bytes = file.next(); !bytes.empty(); bytes = file.next()) {
      crc.update(std::as_bytes(std::span(bytes)));
      seen.bytes += bytes.size();
      if (!first && seen.bytes > first_read_[i].bytes) changed(path);  // it may grow for ever
      text.clear();
      decoder.decode(bytes, text);
      take(text, path);
      done += static_cast<double>(bytes.size());
      progress.update(done);
    }
    text.clear();
    decoder.finish(text);
    if (!text.empty()) take(text, path);
    seen.crc32c = crc.value();
    if (first) first_read_.push_back(seen);
    if (first_read_[i] != seen) changed(path);
  }
  invalid_utf8_ = decoder.invalid_count();
}

}  // namespace gpt
