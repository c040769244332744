#include "framed_source.h"

#define ZLIB_CONST  // it does not write to its input

#include <algorithm>
#include <bit>
#include <lzma.h>
#include <new>
#include <utility>
#include <zlib.h>
#include <zstd.h>

#include "archive_handle.h"

namespace gpt {

namespace {

constexpr std::size_t kFrameBytes = std::size_t{64} << 10;
constexpr int kZstdWindowLog = 31;  // zstd's own limit

// What one call of a decoder did.
struct Step {
  std::size_t taken = 0, given = 0;
  bool frame_ended = false;
  const char* problem = nullptr;
};

class FramedSource : public Layer {
 public:
  FramedSource(Packing packing, std::unique_ptr<ByteSource> from, const std::string& name,
               Unpacking& unpacking)
      : Layer(std::move(from)), packing_(packing), name_(name), unpacking_(unpacking) {}

 protected:
  virtual void begin_frame() = 0;
  virtual Step decode(std::string_view in, char* to, std::size_t size) = 0;

  std::size_t read_more(char* to, std::size_t size) override {
    while (!ended_) {
      if (!inside_ && !next_frame()) return 0;
      const bool more = fill(1);
      if (stopped()) return 0;
      const Step step = decode(std::string_view(in_).substr(at_), to, size);
      if (step.problem) throw_damaged(name_, name_of(packing_), step.problem);
      at_ += step.taken;
      inside_ = !step.frame_ended;
      if (step.given > 0) return step.given;
      if (!more && inside_) throw_cut(name_, name_of(packing_));
    }
    return 0;
  }

 private:
  // Whether so many bytes are there.
  bool fill(std::size_t wanted) {
    if (in_.size() - at_ >= wanted) return true;
    in_.erase(0, std::exchange(at_, 0));
    while (in_.size() < wanted) {
      const std::size_t have = in_.size();
      in_.resize(have + kFrameBytes);
      const std::size_t got = below().read(in_.data() + have, kFrameBytes);
      in_.resize(have + got);
      if (got == 0) return false;
    }
    return true;
  }

  bool next_frame() {
    while (fill(1) && in_[at_] == '\0') ++at_;  // padding
    fill(16);
    if (stopped()) return false;
    inside_ = packing_of(std::string_view(in_).substr(at_)) == packing_;
    if (inside_)
      begin_frame();
    else
      end();
    return inside_;
  }

  void end() {
    ended_ = true;
    std::uint64_t bytes = 0;
    do {
      bytes += in_.size() - at_;
      at_ = in_.size();
    } while (fill(1));
    if (bytes > 0 && !stopped())
      unpacking_.warnings.push_back(text_after_end(name_, name_of(packing_), bytes));
  }

  const Packing packing_;
  const std::string name_;
  Unpacking& unpacking_;
  std::string in_;
  std::size_t at_ = 0;
  bool inside_ = false, ended_ = false;
};

class GzipSource : public FramedSource {
 public:
  GzipSource(std::unique_ptr<ByteSource> from, const std::string& name, Unpacking& unpacking)
      : FramedSource(Packing::kGzip, std::move(from), name, unpacking) {
    constexpr int kGzipAlone = 16 + MAX_WBITS;
    if (inflateInit2(&stream_, kGzipAlone) != Z_OK) throw std::bad_alloc();
  }
  ~GzipSource() override { inflateEnd(&stream_); }

 protected:
  void begin_frame() override { inflateReset(&stream_); }

  Step decode(std::string_view in, char* to, std::size_t size) override {
    const auto most = static_cast<uInt>(std::min<std::size_t>(size, kFrameBytes));
    stream_.next_in = reinterpret_cast<const Bytef*>(in.data());
    stream_.avail_in = static_cast<uInt>(in.size());
    stream_.next_out = reinterpret_cast<Bytef*>(to);
    stream_.avail_out = most;
    const int result = inflate(&stream_, Z_NO_FLUSH);
    Step step{.taken = in.size() - stream_.avail_in,
              .given = most - stream_.avail_out,
              .frame_ended = result == Z_STREAM_END};
    if (result == Z_MEM_ERROR) throw std::bad_alloc();
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
      step.problem = stream_.msg ? stream_.msg : "it is damaged";
    return step;
  }

 private:
  z_stream stream_ = {};
};

class ZstdSource : public FramedSource {
 public:
  ZstdSource(std::unique_ptr<ByteSource> from, const std::string& name, Unpacking& unpacking)
      : FramedSource(Packing::kZstd, std::move(from), name, unpacking),
        context_(ZSTD_createDCtx()) {
    if (!context_) throw std::bad_alloc();
    ZSTD_DCtx_setParameter(
        context_.get(), ZSTD_d_windowLogMax,
        std::min(kZstdWindowLog, static_cast<int>(std::bit_width(unpacking.most_memory)) - 1));
  }

 protected:
  void begin_frame() override { ZSTD_DCtx_reset(context_.get(), ZSTD_reset_session_only); }

  Step decode(std::string_view in, char* to, std::size_t size) override {
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    ZSTD_outBuffer out{to, size, 0};
    const std::size_t left = ZSTD_decompressStream(context_.get(), &out, &from);
    if (ZSTD_isError(left)) return {.problem = ZSTD_getErrorName(left)};
    return {.taken = from.pos, .given = out.pos, .frame_ended = left == 0};
  }

 private:
  struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  std::unique_ptr<ZSTD_DCtx, Free> context_;
};

class LzmaSource : public FramedSource {
 public:
  LzmaSource(Packing packing, std::unique_ptr<ByteSource> from, const std::string& name,
             Unpacking& unpacking)
      : FramedSource(packing, std::move(from), name, unpacking),
        xz_(packing == Packing::kXz),
        most_memory_(unpacking.most_memory) {}
  ~LzmaSource() override { lzma_end(&stream_); }

 protected:
  void begin_frame() override {
    const lzma_ret result = xz_ ? lzma_stream_decoder(&stream_, most_memory_, 0)
                                : lzma_alone_decoder(&stream_, most_memory_);
    if (result != LZMA_OK) throw std::bad_alloc();
  }

  Step decode(std::string_view in, char* to, std::size_t size) override {
    stream_.next_in = reinterpret_cast<const std::uint8_t*>(in.data());
    stream_.avail_in = in.size();
    stream_.next_out = reinterpret_cast<std::uint8_t*>(to);
    stream_.avail_out = size;
    const lzma_ret result = lzma_code(&stream_, LZMA_RUN);
    Step step{.taken = in.size() - stream_.avail_in,
              .given = size - stream_.avail_out,
              .frame_ended = result == LZMA_STREAM_END};
    if (result == LZMA_MEM_ERROR) throw std::bad_alloc();
    if (result == LZMA_MEMLIMIT_ERROR)
      step.problem = "its dictionary takes more memory than 2 GiB";
    else if (result == LZMA_OPTIONS_ERROR)
      step.problem = "it uses what this liblzma does not know";
    else if (result != LZMA_OK && result != LZMA_STREAM_END && result != LZMA_BUF_ERROR)
      step.problem = "it is damaged";
    return step;
  }

 private:
  const bool xz_;
  const std::uint64_t most_memory_;
  lzma_stream stream_ = LZMA_STREAM_INIT;
};

}  // namespace

std::unique_ptr<ByteSource> gzip_source(std::unique_ptr<ByteSource> below, const std::string& name,
                                        Unpacking& unpacking) {
  return std::make_unique<GzipSource>(std::move(below), name, unpacking);
}

std::unique_ptr<ByteSource> zstd_source(std::unique_ptr<ByteSource> below, const std::string& name,
                                        Unpacking& unpacking) {
  return std::make_unique<ZstdSource>(std::move(below), name, unpacking);
}

std::unique_ptr<ByteSource> lzma_source(Packing packing, std::unique_ptr<ByteSource> below,
                                        const std::string& name, Unpacking& unpacking) {
  return std::make_unique<LzmaSource>(packing, std::move(below), name, unpacking);
}

}  // namespace gpt
