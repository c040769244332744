// JSON that is no JSON lines: an array of rows, or rows that are spread over several lines.
#pragma once

#include <memory>
#include <string>

#include "gpt/dataprep/byte_source.h"

namespace gpt {

// The elements of the array in `below`, or its objects one after the other, each on a line of its
// own: the Nth line is row N. A row is not judged here beyond what it takes to find its end.
// InputError, "NAME: ...", for text between rows, and for an end in the middle.
std::unique_ptr<ByteSource> json_rows(std::unique_ptr<ByteSource> below, const std::string& name);

}  // namespace gpt
