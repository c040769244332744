// Parquet, which Python with pyarrow reads for us: one JSON object a row.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gpt/dataprep/byte_source.h"

namespace gpt {

// `keys` name its columns. InputError says what is missing to read it.
std::unique_ptr<ByteSource> parquet_source(const SourceFile& file, int descriptor, StopCheck stop,
                                           const std::vector<std::string>& keys);

}  // namespace gpt
