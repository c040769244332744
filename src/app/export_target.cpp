#include "app/export_target.h"

#include <filesystem>
#include <system_error>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/strings.h"
#include "gpt/base/temporary_name.h"
#include "gpt/checkpoint/store.h"
#include "gpt/interop/model_files.h"

namespace gpt {

namespace {

constexpr const char* kAdvice = "; choose another --to";

// With the name of a checkpoint or not: a user's copy of one is as dear.
bool is_checkpoint(const fs::path& folder) {
  return file_exists(folder / "manifest.json") && (file_exists(folder / "model.safetensors") ||
                                                   file_exists(folder / "optimizer.safetensors"));
}

bool is_run(const fs::path& folder) {
  std::error_code error;
  if (file_exists(folder / "run.lock")) return true;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error))
    if (step_of_name(entry->path().filename().string()) >= 0 && is_checkpoint(entry->path()))
      return true;
  return false;
}

// "" if there is none.
fs::path run_in(const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code unknown;
    if (entry->is_directory(unknown) && is_run(entry->path())) return entry->path().filename();
  }
  return {};
}

// The names within its folder that a run uses.
bool belongs_to_run(const std::string& name) {
  return name == "run.lock" || name == "metrics.jsonl" || name == "config.json" ||
         name == "train.log" || name == "trace.json" || name.starts_with("replaced-") ||
         step_of_name(name) >= 0 || parse_temporary(name);
}

// Why an export must not go to `place`, or "".
std::string forbidden(const fs::path& place, const fs::path& out_dir) {
  if (const std::string why = protected_place(place); !why.empty()) return "is " + why;
  if (is_run(place) || place == out_dir) return "is the folder of a run";
  if (is_within(out_dir, place)) return "is above the run's own folder";
  if (const fs::path run = run_in(place); !run.empty())
    return "is above the folder of a run, " + run.string();
  for (fs::path folder = place; folder.has_relative_path(); folder = folder.parent_path())
    if (is_checkpoint(folder))
      return (folder == place ? "is the checkpoint " : "lies in the checkpoint ") +
             folder.filename().string();
  if (belongs_to_run(place.filename().string()) && is_run(place.parent_path()))
    return "is a name that the run uses itself";
  return "";
}

void check_kind(const std::string& shown, const fs::path& place, bool folder_wanted) {
  std::error_code unknown;
  const fs::file_type type = fs::symlink_status(place, unknown).type();
  if (folder_wanted && type != fs::file_type::directory)
    throw InputError(concat(shown, ": is a file; format=hf writes a folder", kAdvice));
  if (!folder_wanted && type == fs::file_type::directory)
    throw InputError(concat(shown, ": is a folder; format=nanogpt writes a file, e.g. --to=", shown,
                            "/ckpt.pt"));
  if (!folder_wanted && type != fs::file_type::regular)
    throw InputError(concat(shown, ": is neither a file nor a folder", kAdvice));
}

}  // namespace

ExportTarget export_target(const ExportConfig& config) {
  const bool folder = config.format == "hf";
  fs::path named = config.to.empty() ? fs::path(config.out_dir) / (folder ? "hf" : "ckpt.pt")
                                     : fs::path(config.to).lexically_normal();
  if (!named.has_filename() && named.has_relative_path()) named = named.parent_path();
  ExportTarget target{.shown = named.string(), .place = real_place(named), .may_replace = nullptr};
  const std::string& shown = target.shown;
  std::error_code unknown;
  if (const auto why = forbidden(target.place, real_place(config.out_dir)); !why.empty())
    throw InputError(concat(shown, ": ", why, "; an export never goes there", kAdvice));
  const bool link = fs::is_symlink(named, unknown);
  if (link && (is_run(real_place(named).parent_path()) || is_run(named.parent_path())))
    throw InputError(concat(shown, ": is a link in the folder of a run", kAdvice));
  // In the folder of a run, that is for whoever holds its lock.
  if (!is_run(target.place.parent_path())) remove_abandoned(target.place.parent_path());
  if (!present(target.place)) return target;
  if (!config.overwrite)
    throw InputError(shown +
                     ": already exists; choose another --to, or replace it with --overwrite=True");
  check_kind(shown, target.place, folder);
  target.may_replace = [shown, folder](const fs::path& existing) {
    folder ? require_exported_folder(existing, shown) : require_exported_file(existing, shown);
  };
  target.may_replace(target.place);
  return target;
}

}  // namespace gpt
