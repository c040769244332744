// A folder that stands in for the root of the file system.
#pragma once

#include <memory>

#include "gpt/base/system_root.h"

#include "support/temp_dir.h"

namespace gpt::testing {

struct SystemFolder {
  std::shared_ptr<TempDir> folder = std::make_shared<TempDir>();
  SystemRoot root{folder->path()};

  std::filesystem::path operator/(const std::string& name) const { return root / name; }

  // A file with its folders.
  void write(const std::string& name, std::string_view text) const {
    std::filesystem::create_directories((*this / name).parent_path());
    folder->write(name, text);
  }
};

}  // namespace gpt::testing
