// The part of store.h that only reads.
#include <algorithm>
#include <vector>

#include "gpt/base/checksum.h"
#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/input_file.h"
#include "gpt/base/strings.h"
#include "gpt/base/temporary_name.h"
#include "gpt/checkpoint/store.h"

namespace gpt {

namespace {

// Through read(2): a bad sector under a memory map would be a signal, not an error.
FileRecord read_record(const fs::path& path) {
  InputFile file(path);
  std::vector<std::byte> chunk(1 << 20);
  Crc32c crc;
  std::uint64_t size = 0;
  while (const std::size_t got = file.read(chunk.data(), chunk.size())) {
    crc.update(std::span(chunk.data(), got));
    size += got;
  }
  return {path.filename().string(), size, crc.value()};
}

std::string size_problem(const fs::path& directory, const Manifest& manifest) {
  if (manifest.files.empty()) return "manifest.json: lists no files";
  for (const FileRecord& file : manifest.files) {
    if (fs::path(file.name).filename() != file.name)
      return "manifest.json: '" + file.name + "' is no plain file name";
    std::error_code error;
    const std::uint64_t size = fs::file_size(directory / file.name, error);
    if (error) return file.name + ": " + error.message();
    if (size != file.size)
      return concat(file.name, ": expected ", file.size, " bytes, found ", size);
  }
  return "";
}

Manifest read_manifest(const fs::path& directory) {
  constexpr std::uint64_t kLargest = 64 << 20;  // nearly all of it the dataset's vocabulary
  return parse_manifest(read_small_file(directory / "manifest.json", kLargest, "a manifest"),
                        "manifest.json");
}

CheckpointInfo glance(const fs::path& directory, std::int64_t step, bool every_byte) {
  CheckpointInfo info{
      .path = directory, .step = step, .good = false, .problem = "", .manifest = {}};
  if (every_byte) {
    info.problem = CheckpointStore::verify(directory, &info.manifest);
  } else {
    try {
      info.manifest = read_manifest(directory);
      info.problem = size_problem(directory, info.manifest);
    } catch (const Error& error) {
      info.problem = error.what();
    }
  }
  info.good = info.problem.empty();
  return info;
}

// The step of "step_00002000", or of that moved out of the way, -1 for other names.
std::int64_t step_of(const std::string& name, bool* old) {
  const auto temporary = parse_temporary(name);
  *old = temporary && temporary->kind == TemporaryKind::kOld;
  return step_of_name(*old ? temporary->stem : name);
}

}  // namespace

std::string checkpoint_name(std::int64_t step) {
  return format("step_%08ld", static_cast<long>(step));
}

std::int64_t step_of_name(const std::string& name) {
  constexpr std::string_view kPrefix = "step_";
  if (!name.starts_with(kPrefix)) return -1;
  const std::string digits = name.substr(kPrefix.size());
  const bool number = digits.size() >= 8 && digits.size() <= 18 &&
                      digits.find_first_not_of("0123456789") == std::string::npos;
  return number ? std::stoll(digits) : -1;
}

std::string CheckpointStore::verify(const fs::path& directory, Manifest* manifest) {
  try {
    const Manifest read = read_manifest(directory);
    if (manifest) *manifest = read;
    if (std::string problem = size_problem(directory, read); !problem.empty()) return problem;
    for (const FileRecord& file : read.files) {
      const FileRecord found = read_record(directory / file.name);
      if (found.crc32c != file.crc32c)
        return concat(file.name, ": checksum ", hex32(found.crc32c), ", expected ",
                      hex32(file.crc32c), "; its contents are damaged");
    }
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

std::vector<CheckpointInfo> CheckpointStore::list(bool every_byte) const {
  struct Candidate {
    std::int64_t step;
    bool old;
    fs::path path;
  };
  std::vector<Candidate> candidates;
  std::error_code error;
  for (fs::directory_iterator entry(out_dir_, error), end; !error && entry != end;
       entry.increment(error)) {
    bool old = false;
    const std::int64_t step = step_of(entry->path().filename().string(), &old);
    if (step >= 0) candidates.push_back({step, old, entry->path()});
  }
  if (error && error != std::errc::no_such_file_or_directory)
    throw IoError(out_dir_.string(), "list", error.value());
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return a.step != b.step ? a.step > b.step : a.old < b.old;
  });
  std::vector<CheckpointInfo> infos;
  for (const Candidate& candidate : candidates)
    infos.push_back(glance(candidate.path, candidate.step, every_byte));
  return infos;
}

}  // namespace gpt
