// A private folder for a test, gone when the test ends, and short ways to fill it and to look into
// it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <set>
#include <stdlib.h>
#include <string>
#include <string_view>
#include <vector>

namespace gpt::testing {

inline void write_tokens(const std::filesystem::path& path,
                         const std::vector<std::uint16_t>& tokens) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(tokens.data()),
             static_cast<std::streamsize>(tokens.size() * sizeof(std::uint16_t)));
}

inline std::set<std::string> names_in(const std::filesystem::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.insert(entry.path().filename().string());
  return names;
}

class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "gpttrain-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

  // Both make the folders above the file as well.
  std::filesystem::path write(const std::string& name, std::string_view text) const {
    std::ofstream(place(name), std::ios::binary) << text;
    return path_ / name;
  }
  std::filesystem::path write_tokens(const std::string& name,
                                     const std::vector<std::uint16_t>& tokens) const {
    testing::write_tokens(place(name), tokens);
    return path_ / name;
  }

 private:
  std::filesystem::path place(const std::string& name) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    return path_ / name;
  }

  std::filesystem::path path_;
};

}  // namespace gpt::testing
