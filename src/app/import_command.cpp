#include "gpt/base/files.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/checkpoint/run_state.h"
#include "gpt/interop/pretrained.h"
#include "gpt/train/run_lock.h"

#include "app/commands.h"
#include "app/import_run.h"

namespace gpt {

namespace {

constexpr const char* kImportUsage =
    "Usage: gpttrain import FILE [--out_dir=DIR] [--key=value...]\n"
    "       gpttrain import FOLDER|gpt2|gpt2-medium|gpt2-large|gpt2-xl --out_dir=DIR\n"
    "Writes a checkpoint from nanoGPT's ckpt.pt or another PyTorch checkpoint of a GPT-2\n"
    "(weights, optimizer, iteration), a safetensors or llm.c file, or a Hugging Face\n"
    "folder (weights); --init_from=resume continues from it.\n\n";

fs::path source_of(const std::string& input, const std::string& pretrained_dir) {
  if (is_pretrained_name(input)) {
    open_weights(input, pretrained_dir);  // for its check that this is the model of that name
    return find_pretrained(input, pretrained_dir);
  }
  if (!file_exists(input))
    throw InputError(input +
                     ": no such file or folder; expected nanoGPT's ckpt.pt, another file of "
                     "weights, or a Hugging Face GPT-2 folder");
  const fs::path path(input);
  const bool ours = path.filename() == kModelFile
                        ? file_exists(path.parent_path() / "manifest.json")
                        : file_exists(path / "manifest.json") ||
                              (fs::is_directory(path) && !CheckpointStore(path, 2).list().empty());
  if (ours)
    throw InputError(concat(input, ": is of a run of this program; continue it with ",
                            "--init_from=resume, or begin another one from its weights with ",
                            "--init_from=", input));
  return input;
}

}  // namespace

ExitCode import_command(const Arguments& arguments) {
  ImportConfig config;
  const auto line =
      read_options(arguments, options_of(config), kImportUsage, /*inputs_allowed=*/true);
  if (!line) return kExitDone;
  if (line->inputs.size() != 1)
    throw InputError(
        concat("command line: expected one file or folder to import, got ", line->inputs.size()));
  const fs::path source = source_of(line->inputs[0], config.pretrained_dir);
  std::error_code ignored;
  if (config.out_dir.empty()) {
    if (fs::is_directory(source, ignored))
      throw InputError("command line: --out_dir is missing: the run folder to import into");
    config.out_dir = source.has_parent_path() ? source.parent_path().string() : ".";
  }
  const FileLock lock = lock_out_dir(config.out_dir);
  CheckpointStore store(config.out_dir, 2);
  store.clean_leftovers();
  const auto present = store.list();
  if (!present.empty() && !config.overwrite)
    throw InputError(
        concat(config.out_dir, ": already holds a run at step ", present.front().step,
               "; choose another --out_dir, or add --overwrite=True to move it aside"));
  const fs::path written = import_run(source, config, present);
  print_line("wrote " + written.string() +
             "; resume it with --init_from=resume --out_dir=" + config.out_dir);
  return kExitDone;
}

}  // namespace gpt
