// zstd and xz, whose filters in libarchive 3.6 neither look back more than 128 MiB (zstd) nor give
// out what comes before bytes that are no frame.
#pragma once

#include <memory>
#include <string>

#include "gpt/dataprep/unpacking.h"

namespace gpt {

std::unique_ptr<ByteSource> zstd_source(std::unique_ptr<ByteSource> below, const std::string& name,
                                        Warnings& warnings);
std::unique_ptr<ByteSource> xz_source(std::unique_ptr<ByteSource> below, const std::string& name,
                                      Warnings& warnings);

}  // namespace gpt
