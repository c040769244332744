#include "gpt/dataprep/content.h"

#include <algorithm>
#include <array>

namespace gpt {

namespace {

using namespace std::string_view_literals;

struct FileSignature {
  std::string_view bytes, kind;
  std::size_t at = 0;
};

constexpr FileSignature kBinary[] = {
    {"%PDF-", "a PDF document"},
    {"\x89PNG\r\n", "a PNG image"},
    {"\xff\xd8\xff", "a JPEG image"},
    {"GIF8", "a GIF image"},
    {"\xd0\xcf\x11\xe0", "a document of an old Microsoft Office"},
    {"\x7f"
     "ELF",
     "a program"},
    {"SQLite format 3\0"sv, "an SQLite database"},
    {"\x93NUMPY", "a NumPy array"},
    {"\x89HDF\r\n", "an HDF5 file"},
    {"ARROW1", "an Arrow file (save it as parquet or JSON lines)"},
    {"GGUF", "a GGUF model"},
    {"7z\xbc\xaf\x27\x1c", "a 7z archive (unpack it, and give the folder)"},
    {"Rar!\x1a\x07", "a RAR archive (unpack it, and give the folder)"},
    {"PAR1", "parquet (give it as a file of its own)"},
    {"ftyp", "a video or sound file", 4},
    {"ID3", "a sound file"},
    {"OggS", "a sound file"},
    {"fLaC", "a sound file"},
    {"RIFF", "a sound or video file"},
    // llm.c's magic number 20240520 as 32 bits.
    {"\x08\xda\x34\x01"sv, "a token file of llm.c (give it to training as --train_files)"},
    {"\x80\x02}"sv, "a Python pickle"},
    {"\x80\x02]"sv, "a Python pickle"},
    {"\x80\x03"sv, "a Python pickle"},
    {"\x80\x04\x95"sv, "a Python pickle"},
    {"\x80\x05\x95"sv, "a Python pickle"}};

constexpr FileSignature kStandIns[] = {
    {"version https://git-lfs.github.com/spec/",
     "a Git LFS pointer and not the file itself (git lfs pull fetches it)"},
    {"{\\rtf", "an RTF document (save it as plain text)"}};

std::string kind_among(const FileSignature* begin, const FileSignature* end,
                       std::string_view head) {
  const auto found = std::find_if(begin, end, [&](const FileSignature& signature) {
    return head.size() > signature.at && head.substr(signature.at).starts_with(signature.bytes);
  });
  return std::string(found == end ? ""sv : found->kind);
}

}  // namespace

std::string kind_of_binary(std::string_view head) {
  const std::string known = kind_among(std::begin(kBinary), std::end(kBinary), head);
  if (!known.empty()) return known;
  if (head.size() > 9 && head[8] == '{' && head.substr(2, 6) == "\0\0\0\0\0\0"sv)
    return "a safetensors file";
  return head.find('\0') == head.npos ? "" : "binary data";
}

std::string kind_of_stand_in(std::string_view head) {
  return kind_among(std::begin(kStandIns), std::end(kStandIns), head);
}

ByteOrderMark byte_order_mark(std::string_view head) {
  if (head.starts_with("\xef\xbb\xbf")) return {"UTF-8", 3};
  if (head.starts_with("\xff\xfe\0\0"sv)) return {"UTF-32LE", 4};
  if (head.starts_with("\0\0\xfe\xff"sv)) return {"UTF-32BE", 4};
  if (head.starts_with("\xff\xfe")) return {"UTF-16LE", 2};
  if (head.starts_with("\xfe\xff")) return {"UTF-16BE", 2};
  return {};
}

// Of most texts in it every other byte is a NUL, and none of the others.
std::string unmarked_utf16(std::string_view head) {
  std::array<std::size_t, 2> nuls = {};
  for (std::size_t i = 0; i < head.size(); ++i) nuls[i % 2] += head[i] == '\0';
  const std::size_t most = head.size() / 2;
  if (most == 0) return "";
  if (nuls[0] == 0 && nuls[1] * 10 >= most * 7) return "UTF-16LE";
  if (nuls[1] == 0 && nuls[0] * 10 >= most * 7) return "UTF-16BE";
  return "";
}

}  // namespace gpt
