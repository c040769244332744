#include "gpt/dataprep/input_stream.h"

#include <algorithm>
#include <unistd.h>
#include <utility>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"
#include "gpt/dataprep/content.h"
#include "gpt/dataprep/decoded_source.h"
#include "gpt/dataprep/json_rows.h"
#include "gpt/dataprep/json_text.h"

#include "parquet_source.h"

namespace gpt {

namespace fs = std::filesystem;

namespace {

constexpr int kMostLayers = 3;  // of packing, around each other
// Text that was packed so well is made to fill a disk.
constexpr std::uint64_t kMostGrowth = 5000, kGrowthMayBe = std::uint64_t{1} << 30;

std::string as_it_is(const std::string& name) {
  return concat("; convert it to text first, or leave ", name, " out");
}

// The name's last extension that says nothing about packing.
std::string extension_of(fs::path name) {
  while (true) {
    const std::string extension = name.extension().string();
    const bool packing = extension == ".gz" || extension == ".zst" || extension == ".xz" ||
                         extension == ".bz2" || extension == ".lz4" || extension == ".Z" ||
                         extension == ".zstd" || extension == ".lzma";
    if (!packing) return extension;
    name = name.stem();
  }
}

bool is_hidden(const fs::path& member) {
  return std::any_of(member.begin(), member.end(), [](const fs::path& part) {
    const std::string name = part.string();
    return name == "__MACOSX" || (name.size() > 1 && name[0] == '.' && name != "..");
  });
}

// Documents and models that are zip files of parts: what one is that has such a member.
std::string kind_of_parts(const std::string& member) {
  if (member == "[Content_Types].xml") return "a document of Microsoft Office";
  if (member == "mimetype") return "an e-book or a document of an office program";
  if (member == "META-INF/MANIFEST.MF") return "a Java archive";
  return member.ends_with("/data.pkl") || member == "data.pkl" ? "a file of PyTorch" : "";
}

}  // namespace

InputStream::InputStream(const SourceFile& file, const InputRules& rules, StopCheck stop,
                         std::string* record)
    : file_(file),
      rules_(rules),
      stop_(std::move(stop)),
      opened_(std::make_unique<FileSource>(file, stop_, record)) {
  disk_ = opened_.get();
  unpacking_.most_memory = rules.unpacking_memory;
  parquet_ = opened_->peek(4) == "PAR1";
  if (parquet_ && file.stream)
    throw InputError(file.name() +
                     ": is parquet, which has to be a file of its own; save it to one first");
}

InputStream::~InputStream() = default;

bool InputStream::next_text() {
  std::optional<Refusal> refusal;
  const bool is_text = next_text(refusal);
  if (refusal)
    throw InputError(
        concat(file_.name(), ": is ", refusal->what, ", not text", as_it_is(file_.name())));
  return is_text;
}

bool InputStream::next_text(std::optional<Refusal>& refusal) {
  if (members_) return next_member(refusal);
  return open_file(refusal);
}

bool InputStream::open_file(std::optional<Refusal>& refusal) {
  if (!opened_) return false;  // it was read
  if (parquet_) {
    parquet_file_ = std::move(opened_);
    parquet_file_->seek(0);
    bytes_ = parquet_source(file_, parquet_file_->descriptor(), stop_, rules_.keys);
    text_ = {.name = file_.name(), .layout = Layout::kJson, .numbered_rows = true};
    return true;
  }
  Packing archive = Packing::kNone;
  std::unique_ptr<ByteSource> bytes = unpack(std::move(opened_), file_.name(), archive);
  if (archive != Packing::kNone) {
    members_ = std::make_unique<ArchiveMembers>(archive, std::move(bytes), file_.name());
    return next_member(refusal);
  }
  refusal = open_text(std::move(bytes), file_.name());
  return !refusal && !bytes_->stopped();
}

bool InputStream::next_member(std::optional<Refusal>& refusal) {
  bytes_.reset();
  while (members_->next()) {
    const std::string& member = members_->member();
    const std::string name = concat(file_.name(), ": ", terminal_safe_line(member));
    if (const std::string kind = kind_of_parts(member); !kind.empty()) {
      refusal = {NoText::kBinary, kind};
      return false;
    }
    if (is_hidden(member)) {
      left_out_.add(NoText::kHidden, member);
      continue;
    }
    Packing archive = Packing::kNone;
    std::unique_ptr<ByteSource> bytes = unpack(members_->bytes(), name, archive);
    std::optional<Refusal> no_text;
    if (archive != Packing::kNone)
      no_text = {NoText::kArchive, ""};
    else
      no_text = open_text(std::move(bytes), name);
    if (!no_text && text_.empty) no_text = {NoText::kEmpty, ""};
    if (!no_text) return !bytes_->stopped();
    left_out_.add(no_text->reason, member);
  }
  return false;
}

// Takes the packing off; `archive` tells what is left to be taken off with members.
std::unique_ptr<ByteSource> InputStream::unpack(std::unique_ptr<ByteSource> bytes,
                                                const std::string& name, Packing& archive) {
  for (int layer = 0;; ++layer) {
    const Packing packing = packing_of(bytes->peek(kPackingBytes));
    if (packing == Packing::kNone) return bytes;
    if (gpt::is_archive(packing)) {
      archive = packing;
      return bytes;
    }
    if (layer == kMostLayers)
      throw InputError(concat(name, ": is packed more than ", kMostLayers,
                              " times over; unpack it by hand first"));
    bytes = unpacked(packing, std::move(bytes), name, unpacking_);
  }
}

std::optional<Refusal> InputStream::open_text(std::unique_ptr<ByteSource> bytes,
                                              const std::string& name) {
  const std::string_view head = bytes->peek(kContentBytes);
  const ByteOrderMark mark = byte_order_mark(head);
  std::string encoding = mark.encoding.empty() ? rules_.encoding : mark.encoding;
  if (encoding == "auto") {
    if (const std::string utf16 = unmarked_utf16(head); !utf16.empty())
      return Refusal{NoText::kBinary, concat(utf16, " text without a byte order mark (--encoding=",
                                             utf16, " reads it) or binary data")};
    if (const std::string kind = kind_of_binary(head); !kind.empty())
      return Refusal{NoText::kBinary, kind};
    if (const std::string kind = kind_of_stand_in(head); !kind.empty())
      return Refusal{NoText::kStandIn, kind};
    encoding = "UTF-8";
  }
  text_ = {.name = name};
  text_.empty = head.size() <= mark.bytes;
  bytes->skip(mark.bytes);
  text_.decoded = !is_utf8_name(encoding);
  bytes_ = text_.decoded ? decoded(encoding, std::move(bytes)) : std::move(bytes);
  if (rules_.document == "line") text_.layout = Layout::kLines;
  if (rules_.document == "line" || rules_.document == "file") return std::nullopt;

  const std::string extension = extension_of(name);
  const bool named = extension == ".json" || extension == ".jsonl" || extension == ".ndjson" ||
                     rules_.document == "jsonl";
  const std::string_view text = bytes_->peek(kContentBytes);
  const JsonShape shape = json_shape(text, text.size() < kContentBytes, named);
  if (shape != JsonShape::kNone || (named && extension != ".json") || rules_.document == "jsonl")
    text_.layout = Layout::kJson;
  text_.json_object = shape == JsonShape::kObjects;
  text_.numbered_rows = shape == JsonShape::kArray || shape == JsonShape::kObjects;
  if (text_.numbered_rows) bytes_ = json_rows(std::move(bytes_), name);
  return std::nullopt;
}

std::size_t InputStream::read(char* to, std::size_t size) {
  const std::size_t got = bytes_ ? bytes_->read(to, size) : 0;
  given_ += got;
  check_growth();
  return got;
}

void InputStream::check_growth() const {
  if (parquet_file_ || given_ < kGrowthMayBe || given_ / kMostGrowth < disk_->consumed()) return;
  throw InputError(concat(file_.name(), ": unpacks to more than ", kMostGrowth,
                          " times its size, as no text does; if it is one all the same, unpack it "
                          "by hand first"));
}

std::uint64_t InputStream::consumed() const {
  if (!parquet_file_) return disk_->consumed();
  // The program reads through the same offset.
  const off_t at = lseek(parquet_file_->descriptor(), 0, SEEK_CUR);
  return at > 0 ? static_cast<std::uint64_t>(at) : 0;
}

}  // namespace gpt
