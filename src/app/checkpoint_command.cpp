#include <cmath>

#include "gpt/base/files.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/checkpoint/store.h"

#include "app/commands.h"

namespace gpt {

namespace {

constexpr const char* kCheckpointUsage =
    "Usage: gpttrain checkpoint list DIR     what is there, newest first\n"
    "       gpttrain checkpoint verify DIR   the same, reading every byte; exit code 1\n"
    "                                        if one is damaged\n"
    "DIR is the out_dir of a run, or one checkpoint in it.\n";

std::uint64_t total_size(const Manifest& manifest) {
  std::uint64_t bytes = 0;
  for (const FileRecord& file : manifest.files) bytes += file.size;
  return bytes;
}

std::string described(const CheckpointInfo& info) {
  const std::string name = info.path.filename().string();
  if (!info.problem.empty()) return name + "  damaged: " + info.problem;
  const Manifest& manifest = info.manifest;
  const std::string loss =
      std::isfinite(manifest.val_loss) ? format("val loss %.4f", manifest.val_loss) : "no val loss";
  return format("%s  %s  %s%s  %s", name.c_str(), human_bytes(total_size(manifest)).c_str(),
                loss.c_str(), manifest.best ? " (best)" : "", manifest.reason.c_str());
}

std::vector<CheckpointInfo> find(const fs::path& folder, bool every_byte) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored))
    throw InputError(folder.string() + ": no such folder; expected the out_dir of a run");
  if (!file_exists(folder / "manifest.json")) return CheckpointStore(folder, 2).list(every_byte);
  CheckpointInfo info{.path = folder, .step = 0, .good = false, .problem = "", .manifest = {}};
  info.problem = CheckpointStore::verify(folder, &info.manifest);
  info.good = info.problem.empty();
  return {info};
}

}  // namespace

ExitCode checkpoint_command(const Arguments& arguments) {
  if (arguments.size() == 1 && (arguments[0] == "--help" || arguments[0] == "-h")) {
    print_text(kCheckpointUsage);
    return kExitDone;
  }
  if (arguments.size() != 2 || (arguments[0] != "list" && arguments[0] != "verify"))
    throw InputError(
        "command line: expected `gpttrain checkpoint list DIR` or `gpttrain "
        "checkpoint verify DIR`");
  const bool verify = arguments[0] == "verify";
  const auto checkpoints = find(arguments[1], verify);
  if (checkpoints.empty()) throw InputError(arguments[1] + ": no checkpoints here");
  bool all_good = true;
  for (const CheckpointInfo& info : checkpoints) {
    print_line(described(info) + (verify && info.good ? "  ok" : ""));
    all_good = all_good && info.good;
  }
  return verify && !all_good ? kExitFailure : kExitDone;
}

}  // namespace gpt
