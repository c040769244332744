#include "gpt/dataprep/decoded_source.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <iconv.h>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"

namespace gpt {

namespace {

constexpr std::size_t kDecodeBytes = std::size_t{64} << 10;
constexpr std::string_view kReplacementBytes = "\xEF\xBF\xBD";

// Letters and digits alone, in small letters: "UTF_8" and "utf-8" are the same.
std::string plain_name(const std::string& encoding) {
  std::string plain;
  for (const char c : encoding)
    if (std::isalnum(static_cast<unsigned char>(c)))
      plain += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return plain;
}

class Converter {
 public:
  explicit Converter(const std::string& encoding) : handle_(open(encoding)) {
    if (handle_ == kNone)
      throw InputError(concat("encoding: ", quoted_name(encoding),
                              " is not known here; expected auto or a name that `iconv -l` lists, "
                              "such as cp1252, latin1, utf-16 or shift_jis"));
  }
  ~Converter() { iconv_close(handle_); }
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;

  std::size_t convert(char** in, std::size_t* in_left, char** out, std::size_t* out_left) {
    return iconv(handle_, in, in_left, out, out_left);
  }

 private:
  static inline const iconv_t kNone = reinterpret_cast<iconv_t>(-1);

  // Python's spellings, too: latin-1, mac_roman.
  static iconv_t open(const std::string& encoding) {
    const std::string plain = plain_name(encoding);
    for (const std::string& name :
         {encoding, plain == "macroman" ? std::string("MACINTOSH") : plain,
          plain.starts_with("windows") ? "cp" + plain.substr(7) : plain}) {
      // "//" would ask for more than an encoding.
      if (name.empty() || name.find('/') != name.npos) continue;
      const iconv_t handle = iconv_open("UTF-8", name.c_str());
      if (handle != kNone) return handle;
    }
    return kNone;
  }

  iconv_t handle_;
};

class DecodedSource : public Layer {
 public:
  DecodedSource(const std::string& encoding, std::unique_ptr<ByteSource> below)
      : Layer(std::move(below)), converter_(encoding), unit_(unit_of(encoding)) {}

 protected:
  std::size_t read_more(char* to, std::size_t size) override {
    while (out_at_ == out_.size()) {
      out_.clear();
      out_at_ = 0;
      if (!convert_more()) return 0;
    }
    const std::size_t given = std::min(size, out_.size() - out_at_);
    std::memcpy(to, out_.data() + out_at_, given);
    out_at_ += given;
    return given;
  }

 private:
  // So many bytes are left out for one replacement.
  static std::size_t unit_of(const std::string& encoding) {
    const std::string plain = plain_name(encoding);
    if (plain.starts_with("utf16") || plain.starts_with("ucs2")) return 2;
    return plain.starts_with("utf32") || plain.starts_with("ucs4") ? 4 : 1;
  }

  bool convert_more() {
    const std::size_t have = in_.size();
    in_.resize(have + kDecodeBytes);
    const std::size_t got = below().read(in_.data() + have, kDecodeBytes);
    in_.resize(have + got);
    if (in_.empty() || stopped()) return false;
    char* from = in_.data();
    std::size_t left = in_.size();
    while (left > 0) {
      const std::size_t before = out_.size();
      out_.resize(before + 4 * left + 16);
      char* to = out_.data() + before;
      std::size_t room = out_.size() - before;
      const bool failed = converter_.convert(&from, &left, &to, &room) == std::size_t(-1);
      out_.resize(out_.size() - room);
      if (!failed || errno == E2BIG) continue;
      if (errno == EINVAL && got > 0) break;  // the rest of a character is to come
      out_ += kReplacementBytes;
      const std::size_t skipped = std::min(unit_, left);
      from += skipped;
      left -= skipped;
    }
    in_.erase(0, in_.size() - left);
    return true;
  }

  Converter converter_;
  const std::size_t unit_;
  std::string in_, out_;
  std::size_t out_at_ = 0;
};

}  // namespace

std::unique_ptr<ByteSource> decoded(const std::string& encoding,
                                    std::unique_ptr<ByteSource> below) {
  return std::make_unique<DecodedSource>(encoding, std::move(below));
}

bool is_utf8_name(const std::string& encoding) {
  const std::string plain = plain_name(encoding);
  return plain == "utf8" || plain == "utf8sig" || plain == "utf8bom" || plain == "ascii" ||
         plain == "usascii";
}

void check_encoding(const std::string& encoding) {
  if (encoding != "auto" && !is_utf8_name(encoding)) static_cast<void>(Converter(encoding));
}

}  // namespace gpt
