#include "gpt/data/token_shard.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

static_assert(std::endian::native == std::endian::little, "token files are little-endian");

constexpr std::int64_t kHeaderBytes = 256 * 4;
struct Format {
  std::int32_t magic, version;
  TokenWidth width;
};
constexpr Format kFormats[] = {{20240520, 1, TokenWidth::k16}, {20240801, 7, TokenWidth::k32}};

std::int64_t bytes_of(TokenWidth width) {
  return static_cast<std::int64_t>(width);
}

std::int32_t int32_at(std::span<const std::byte> bytes, std::size_t index) {
  std::int32_t value;
  std::memcpy(&value, bytes.data() + index * sizeof value, sizeof value);
  return value;
}

const fs::path& existing_file(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status))
    throw InputError(
        concat(path.string(), ": ", error.message(),
               "; make the dataset with gpttrain prepare, or correct dataset and data_dir"));
  if (!fs::is_regular_file(status))
    throw InputError(concat(path.string(), ": is a ",
                            fs::is_directory(status) ? "folder" : "special file",
                            ", expected a file of tokens"));
  return path;
}

// The largest of `count` numbers. `data` may be at any address: a header is a multiple of the
// width, and a map begins at a page.
template <class T>
std::int64_t largest(const std::byte* data, std::int64_t count) {
  const T* first = reinterpret_cast<const T*>(data);
  T most = 0;
  for (std::int64_t i = 0; i < count; ++i) most = std::max(most, first[i]);
  return most;
}

template <class T>
void widen(const std::byte* data, std::int64_t count, std::int64_t* out) {
  std::copy_n(reinterpret_cast<const T*>(data), count, out);
}

}  // namespace

TokenShard::TokenShard(const fs::path& path, TokenWidth bare)
    : file_(existing_file(path)), width_(bare) {
  const auto bytes = file_.bytes();
  if (bytes.size() >= sizeof(std::int32_t))
    for (const Format& format : kFormats)
      if (int32_at(bytes, 0) == format.magic) {
        width_ = format.width;
        read_header(format.magic, format.version);
        return;
      }
  const std::int64_t width = bytes_of(width_);
  size_ = static_cast<std::int64_t>(bytes.size()) / width;
  if (static_cast<std::int64_t>(bytes.size()) % width != 0)
    throw InputError(concat(path.string(), ": has ", bytes.size(), " bytes, ",
                            width == 2 ? "an odd number" : "no multiple of 4",
                            ", but a token takes ", width,
                            ": the file is cut short or is no token file; make the dataset again "
                            "with gpttrain prepare"));
}

void TokenShard::read_header(std::int64_t magic, std::int32_t version) {
  const auto bytes = file_.bytes();
  const std::string start =
      concat(path().string(), ": begins as a token file of llm.c (", magic, ")");
  if (bytes.size() < static_cast<std::size_t>(kHeaderBytes))
    throw InputError(concat(start, " but has ", bytes.size(), " bytes, less than its header of ",
                            kHeaderBytes, "; the file is cut short, fetch or make it again"));
  if (int32_at(bytes, 1) != version)
    throw InputError(concat(start, " of version ", int32_at(bytes, 1), "; expected version ",
                            version, "; make it with a newer dev/data script of llm.c"));
  header_bytes_ = kHeaderBytes;
  size_ = int32_at(bytes, 2);
  const std::int64_t wanted = kHeaderBytes + size_ * bytes_of(width_);
  if (size_ < 0 || wanted != static_cast<std::int64_t>(bytes.size()))
    throw InputError(concat(start, " of ", size_, " tokens, which makes ", wanted,
                            " bytes, but has ", bytes.size(),
                            "; the file is cut short, fetch or make it again"));
}

void TokenShard::check(std::int64_t begin, std::int64_t count, std::int64_t vocab_size) const {
  const std::byte* first = file_.bytes().data() + header_bytes_ + begin * bytes_of(width_);
  const std::int64_t most = width_ == TokenWidth::k16 ? largest<std::uint16_t>(first, count)
                                                      : largest<std::uint32_t>(first, count);
  for (std::int64_t i = begin; most >= vocab_size && i < begin + count; ++i) {
    std::int64_t token;
    read(i, 1, &token);
    if (token >= vocab_size) refuse(i, token, vocab_size);
  }
  file_.check_unchanged();
}

// Judged is the copy: the file may change between two looks at it.
void TokenShard::copy(std::int64_t begin, std::int64_t count, std::int64_t vocab_size,
                      std::int64_t* out) const {
  read(begin, count, out);
  file_.check_unchanged();
  std::int64_t most = 0;
  for (std::int64_t i = 0; i < count; ++i) most = std::max(most, out[i]);
  for (std::int64_t i = 0; most >= vocab_size && i < count; ++i)
    if (out[i] >= vocab_size) refuse(begin + i, out[i], vocab_size);
}

void TokenShard::open_mask() {
  const fs::path mask = TokenMask::path_beside(path());
  if (mask != path() && file_exists(mask)) mask_.emplace(mask, size_);
}

void TokenShard::read(std::int64_t begin, std::int64_t count, std::int64_t* out) const {
  const std::byte* first = file_.bytes().data() + header_bytes_ + begin * bytes_of(width_);
  if (width_ == TokenWidth::k16)
    widen<std::uint16_t>(first, count, out);
  else
    widen<std::uint32_t>(first, count, out);
}

void TokenShard::refuse(std::int64_t index, std::int64_t token, std::int64_t vocab_size) const {
  file_.check_unchanged();
  throw InputError(concat(path().string(), ": token ", index, " (byte ",
                          header_bytes_ + index * bytes_of(width_), ") is ", token,
                          ", but vocab_size is ", vocab_size,
                          "; set vocab_size to the dataset's, or make the dataset again"));
}

}  // namespace gpt
