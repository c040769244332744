#include "gpt/train/run_lock.h"

#include <utility>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

namespace gpt {

FileLock lock_out_dir(const std::string& out_dir) {
  try {
    make_directories(out_dir);
  } catch (const IoError& error) {
    throw Error(concat(error.what(), "; choose another --out_dir"), error.exit_code());
  }
  std::string owner;
  auto lock = FileLock::try_lock(fs::path(out_dir) / "run.lock", &owner);
  if (!lock)
    throw InputError(out_dir + ": another run is using this folder (" + owner +
                     "); wait for it, or choose another --out_dir");
  return std::move(*lock);
}

}  // namespace gpt
