#include <cstring>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/input_file.h"
#include "gpt/base/strings.h"
#include "gpt/eval/hellaswag.h"
#include "gpt/text/utf8.h"

namespace gpt {

namespace {

constexpr std::int32_t kMagic = 20240522, kVersion = 1;
constexpr std::size_t kHeaderBytes = 1024;
constexpr std::int64_t kStart = 65535;  // before each example

// The numbers of one example, each checked to be there.
class Stream {
 public:
  Stream(std::span<const std::byte> bytes, std::string origin, std::int64_t vocab_size)
      : bytes_(bytes), origin_(std::move(origin)), vocab_size_(vocab_size) {}

  void begin_example(std::int64_t number) {
    example_ = number;
    if (next("the mark 65535") != kStart) refuse("expected 65535 at its beginning");
  }
  std::int64_t next(const char* what) {
    if (at_ + 2 > bytes_.size()) refuse(concat("the file ends before ", what));
    std::uint16_t value = 0;
    std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += 2;
    return value;
  }
  std::vector<std::int64_t> tokens(const char* what) {
    const std::int64_t count = next(what);
    if (count == 0) refuse(concat(what, ": expected at least one token"));
    std::vector<std::int64_t> list;
    for (std::int64_t i = 0; i < count; ++i) {
      list.push_back(next(what));
      if (list.back() >= vocab_size_)
        refuse(concat(what, ": token ", list.back(), ", but the model has ", vocab_size_));
    }
    return list;
  }
  std::size_t at() const { return at_; }
  bool done() const { return at_ == bytes_.size(); }
  [[noreturn]] void refuse(const std::string& why) const {
    throw InputError(concat(origin_, ": example ", example_, " (byte ", kHeaderBytes + at_,
                            "): ", why, "; expected llm.c's evaluation file for this vocabulary"));
  }

 private:
  std::span<const std::byte> bytes_;
  std::string origin_;
  std::int64_t vocab_size_, example_ = 0;
  std::size_t at_ = 0;
};

std::int64_t characters_of(const std::vector<std::int64_t>& ending, const Tokenizer& tokenizer) {
  const std::string text = tokenizer.decode(ending);
  const auto characters = static_cast<std::int64_t>(from_utf8(text).size());
  return std::max<std::int64_t>(1, characters - (text.starts_with(' ') ? 1 : 0));
}

ChoiceExample read_example(Stream& stream, std::int64_t number, const Tokenizer* tokenizer) {
  const std::size_t begin = stream.at();
  stream.begin_example(number);
  const auto size = static_cast<std::size_t>(stream.next("its size"));
  stream.next("its index");
  const std::int64_t label = stream.next("its label"), endings = stream.next("its endings");
  if (label >= endings) stream.refuse(concat("label ", label, " of ", endings, " endings"));
  ChoiceExample example{.context = stream.tokens("its context"),
                        .label = static_cast<std::size_t>(label)};
  for (std::int64_t i = 0; i < endings; ++i) {
    example.endings.push_back(stream.tokens("an ending"));
    if (tokenizer) example.characters.push_back(characters_of(example.endings.back(), *tokenizer));
  }
  if (stream.at() - begin != size)
    stream.refuse(concat("takes ", stream.at() - begin, " bytes, but says ", size));
  return example;
}

}  // namespace

bool is_hellaswag_bin(const std::filesystem::path& path) {
  std::int32_t magic = 0;
  InputFile file(path);
  return file.read(&magic, sizeof magic) == sizeof magic && magic == kMagic;
}

std::vector<ChoiceExample> read_hellaswag_bin(const std::filesystem::path& path,
                                              std::int64_t vocab_size, const Tokenizer* tokenizer) {
  const MappedFile file(path);
  std::int32_t header[4] = {};
  if (file.bytes().size() < kHeaderBytes)
    throw InputError(path.string() + ": is shorter than its header of 1024 bytes");
  std::memcpy(header, file.bytes().data(), sizeof header);
  if (header[0] != kMagic || header[1] != kVersion || header[2] < 1)
    throw InputError(concat(path.string(), ": expected magic ", kMagic, ", version ", kVersion,
                            " and a number of examples, found ", header[0], ", ", header[1],
                            " and ", header[2]));
  Stream stream(file.bytes().subspan(kHeaderBytes), path.string(), vocab_size);
  std::vector<ChoiceExample> examples;
  for (std::int64_t number = 0; number < header[2]; ++number)
    examples.push_back(read_example(stream, number, tokenizer));
  file.check_unchanged();
  if (!stream.done()) stream.refuse("the file continues after its last example");
  return examples;
}

}  // namespace gpt
