// One run at a time in a folder.
#pragma once

#include <string>

#include "gpt/base/files.h"

namespace gpt {

// Makes the folder where it is missing. InputError if another process is at work in it.
FileLock lock_out_dir(const std::string& out_dir);

}  // namespace gpt
