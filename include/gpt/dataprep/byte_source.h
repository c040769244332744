// Bytes that are read once, from their beginning to their end, with a look ahead.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gpt/dataprep/source_files.h"

namespace gpt {

class ByteSource {
 public:
  virtual ~ByteSource() = default;

  // Up to `size` bytes, at least one; 0 at the end, or once it was stopped. InputError for what
  // cannot be read.
  std::size_t read(char* to, std::size_t size);
  // The next `size` bytes, fewer only before the end; they are still there for read().
  std::string_view peek(std::size_t size);
  void skip(std::size_t size);

  // Whether an end may be no end, but the work's.
  virtual bool stopped() const = 0;
  // Where it can be read from any place: whether it is there now.
  virtual bool seek(std::uint64_t) { return false; }
  virtual std::uint64_t size() const { return 0; }  // of one that can seek

 protected:
  virtual std::size_t read_more(char* to, std::size_t size) = 0;
  void drop_ahead() { ahead_.clear(), at_ = 0; }

 private:
  std::string ahead_;
  std::size_t at_ = 0;  // of it, what was read
};

// A source that another one's bytes go through.
class Layer : public ByteSource {
 public:
  explicit Layer(std::unique_ptr<ByteSource> below) : below_(std::move(below)) {}
  bool stopped() const override { return below_->stopped(); }

 protected:
  ByteSource& below() { return *below_; }

 private:
  std::unique_ptr<ByteSource> below_;
};

// A file as it is on disk, or a stream.
class FileSource : public ByteSource {
 public:
  // A regular file ends at the size it had when it was listed, and Error says so if it has become
  // shorter. InputError if it cannot be opened. With `record`, what is read of a stream goes there
  // as well.
  FileSource(const SourceFile& file, StopCheck stop, std::string* record = nullptr);
  ~FileSource() override;
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  bool stopped() const override { return stop_ && stop_(); }
  bool seek(std::uint64_t byte) override;
  std::uint64_t size() const override { return file_.bytes; }
  std::uint64_t consumed() const { return given_; }
  int descriptor() const { return descriptor_; }

 protected:
  std::size_t read_more(char* to, std::size_t size) override;

 private:
  bool wait_for_input() const;
  void record(std::string_view bytes);
  void check_end() const;

  const SourceFile& file_;
  const StopCheck stop_;
  std::string* record_;
  int descriptor_ = -1;
  std::uint64_t given_ = 0;     // bytes
  std::size_t head_given_ = 0;  // of what was read of a stream before
};

}  // namespace gpt
