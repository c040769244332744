// gzip, zstd, xz and lzma, whose filters in libarchive 3.6 fall short: they check no checksum
// (gzip), look back 128 MiB at most (zstd), lose what comes before bytes that are no frame (zstd,
// xz), and cannot be told how much memory they may take (xz, lzma).
#pragma once

#include <memory>
#include <string>

#include "gpt/dataprep/unpacking.h"

namespace gpt {

std::unique_ptr<ByteSource> gzip_source(std::unique_ptr<ByteSource> below, const std::string& name,
                                        Unpacking& unpacking);
std::unique_ptr<ByteSource> zstd_source(std::unique_ptr<ByteSource> below, const std::string& name,
                                        Unpacking& unpacking);
std::unique_ptr<ByteSource> lzma_source(Packing packing, std::unique_ptr<ByteSource> below,
                                        const std::string& name, Unpacking& unpacking);

}  // namespace gpt
