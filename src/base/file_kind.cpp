#include "gpt/base/file_kind.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <string_view>

#include "gpt/base/error.h"

namespace gpt {

namespace {

constexpr std::size_t kEnough = 512;  // a tar archive says what it is at byte 257

struct Kind {
  std::string_view begin;  // of the file
  const char* text;
};

using namespace std::string_view_literals;

constexpr const char* kPacked = "; unpack it, and name what is in it";
constexpr const char* kDownload =
    "a web page, not the file that was asked for: a login, a licence or an error of the server; "
    "open the address in a browser, and download the file again";

constexpr Kind kFileKinds[] = {
    {"version https://git-lfs"sv,
     "a Git LFS pointer, which only names the file; run `git lfs pull` in its repository, or "
     "download the file itself"},
    {"version https://hawser"sv,
     "a Git LFS pointer, which only names the file; run `git lfs pull` in its repository, or "
     "download the file itself"},
    {"GGUF"sv,
     "a GGUF model of llama.cpp, whose weights are packed for inference; take the Hugging Face "
     "folder or the checkpoint that it was converted from"},
    {"lmgg"sv, "a GGML model, packed for inference; take what it was converted from"},
    {"tjgg"sv, "a GGML model, packed for inference; take what it was converted from"},
    {"\x89HDF\r\n"sv,
     "an HDF5 file of TensorFlow or Keras; load it with transformers (from_tf=True) and "
     "save_pretrained() it"},
    {"\x93NUMPY"sv, "an array of numpy; a model is read from torch.save's or safetensors files"},
    {"\x1f\x8b"sv, "packed by gzip"},
    {"\x28\xb5\x2f\xfd"sv, "packed by zstd"},
    {"\xfd"
     "7zXZ"sv,
     "packed by xz"},
    {"BZh"sv, "packed by bzip2"},
    {"7z\xbc\xaf"sv, "a 7-Zip archive"},
    {"Rar!"sv, "a RAR archive"},
    {"%PDF"sv, "a PDF document"},
    {"\x7f"
     "ELF"sv,
     "a program, not data"},
};

// The text from its first visible character on, in small letters.
std::string visible_beginning(std::string_view bytes) {
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  if (bytes.starts_with(kMark)) bytes.remove_prefix(kMark.size());
  const std::size_t first = bytes.find_first_not_of(" \t\r\n");
  std::string text(first == bytes.npos ? "" : bytes.substr(first));
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

std::string foreign_file_kind(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()),
                              std::min(bytes.size(), kEnough));
  if (text.empty()) return "empty; copy or download it again";
  for (const Kind& kind : kFileKinds)
    if (text.starts_with(kind.begin))
      return std::string(kind.text) +
             (std::string_view(kind.text).find(';') == std::string_view::npos ? kPacked : "");
  if (text.size() > 262 && text.substr(257).starts_with("ustar"))
    return std::string("a tar archive") + kPacked;
  const std::string visible = visible_beginning(text);
  for (const char* page : {"<!doctype html", "<html", "<head"})
    if (visible.starts_with(page)) return kDownload;
  if (visible.starts_with("<?xml"))
    return "an XML document, as servers send in place of a file "
           "that they refuse; download the file again";
  if (visible.starts_with("{\"error"))
    return "an error message of a server, not the file; download the file again";
  return "";
}

std::string foreign_file_kind(const std::filesystem::path& path) {
  std::array<char, kEnough> bytes{};
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return "";
  std::ifstream file(path, std::ios::binary);
  if (!file) return "";
  file.read(bytes.data(), bytes.size());
  return foreign_file_kind(
      std::as_bytes(std::span(bytes.data(), static_cast<std::size_t>(file.gcount()))));
}

void refuse_foreign_file(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  if (const std::string kind = foreign_file_kind(bytes); !kind.empty())
    throw InputError(path.string() + ": is " + kind);
}

}  // namespace gpt
