// Bytes as archivers would pack them.
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace gpt::testing {

using Members = std::vector<std::pair<std::string, std::string>>;  // name, bytes

namespace packing {

inline std::string written(archive* handle, const Members& members) {
  static char bytes[1 << 22];
  std::size_t used = 0;
  EXPECT_EQ(archive_write_open_memory(handle, bytes, sizeof bytes, &used), ARCHIVE_OK)
      << archive_error_string(handle);
  archive_entry* entry = archive_entry_new();
  for (const auto& [name, text] : members) {
    archive_entry_clear(entry);
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_size(entry, static_cast<la_int64_t>(text.size()));
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    EXPECT_EQ(archive_write_header(handle, entry), ARCHIVE_OK) << archive_error_string(handle);
    EXPECT_EQ(archive_write_data(handle, text.data(), text.size()),
              static_cast<la_ssize_t>(text.size()));
  }
  archive_entry_free(entry);
  EXPECT_EQ(archive_write_close(handle), ARCHIVE_OK) << archive_error_string(handle);
  archive_write_free(handle);
  return {bytes, used};
}

}  // namespace packing

// "gzip", "bzip2", "xz", "zstd", "lz4", "compress", "lzma".
inline std::string packed(const std::string& text, const std::string& filter) {
  archive* handle = archive_write_new();
  archive_write_add_filter_by_name(handle, filter.c_str());
  archive_write_set_format_raw(handle);
  archive_write_set_bytes_in_last_block(handle, 1);
  return packing::written(handle, {{"text", text}});
}

// "zip" or "pax", which is tar.
inline std::string archived(const Members& members, const std::string& format,
                            const std::string& filter = "") {
  archive* handle = archive_write_new();
  if (!filter.empty()) archive_write_add_filter_by_name(handle, filter.c_str());
  archive_write_set_format_by_name(handle, format.c_str());
  archive_write_set_bytes_in_last_block(handle, 1);
  return packing::written(handle, members);
}

}  // namespace gpt::testing
