#include "gpt/data/token_file.h"

#include <algorithm>
#include <bit>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

static_assert(std::endian::native == std::endian::little, "token files are little-endian");

constexpr std::int64_t kTokenBytes = 2;
constexpr std::int64_t kWholeTokens = (std::int64_t{256} << 20) / kTokenBytes;
constexpr std::int64_t kEndTokens = (std::int64_t{64} << 20) / kTokenBytes;

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
                            ", expected a file of 16-bit tokens"));
  return path;
}

}  // namespace

TokenFile::TokenFile(const fs::path& path, std::int64_t block_size, std::int64_t vocab_size)
    : file_(existing_file(path)),
      size_(static_cast<std::int64_t>(file_.bytes().size()) / kTokenBytes),
      vocab_size_(vocab_size) {
  check_size(block_size);
  if (size_ <= kWholeTokens) {
    check(0, size_);
  } else {
    check(0, kEndTokens);
    check(size_ - kEndTokens, kEndTokens);
  }
}

void TokenFile::check_size(std::int64_t block_size) const {
  const std::size_t bytes = file_.bytes().size();
  if (bytes % kTokenBytes != 0)
    throw InputError(concat(path().string(), ": has ", bytes,
                            " bytes, an odd number, but a token takes 2: the file is cut short or "
                            "is no token file; make the dataset again with gpttrain prepare"));
  if (size_ < block_size + 1)
    throw InputError(concat(
        path().string(), ": has ", size_, " tokens, but block_size ", block_size,
        " needs at least ", block_size + 1, "; prepare more text",
        size_ > 1 ? concat(" or set block_size to ", size_ - 1, " or less") : std::string()));
}

void TokenFile::check(std::int64_t begin, std::int64_t count) const {
  const std::uint16_t* first = data() + begin;
  std::uint16_t largest = 0;
  for (std::int64_t i = 0; i < count; ++i) largest = std::max(largest, first[i]);
  if (largest < vocab_size_) return;
  const auto* bad = std::find_if(first, first + count, [this](auto t) { return t >= vocab_size_; });
  const std::int64_t index = begin + (bad - first);
  throw InputError(concat(path().string(), ": token ", index, " (byte ", index * kTokenBytes,
                          ") is ", *bad, ", but vocab_size is ", vocab_size_,
                          "; set vocab_size to the dataset's, or make the dataset again"));
}

}  // namespace gpt
