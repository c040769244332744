// A request with nothing left to be settled.
#pragma once

#include <string>

#include "gpt/dataprep/chunk_encoder.h"
#include "gpt/dataprep/prepare.h"
#include "gpt/dataprep/source_files.h"

namespace gpt {

struct PrepareRules {
  EncodingRules encoding;
  bool split_at_end = false;
  std::string split, eot;  // the words for it
  std::string request;     // JSON of all that decides the bytes written, for PrepareState
};

// How its inputs are to be read. InputError for a template that is none.
RowPattern row_pattern(const PrepareRequest& request);
InputRules input_rules(const PrepareRequest& request);

// InputError where the request contradicts itself or its inputs.
PrepareRules settle_rules(const PrepareRequest& request, const SourceFiles& sources);

// InputError if the two texts of PrepareRules::request do not request the same, naming what
// differs.
void check_same_request(const std::filesystem::path& out_dir, const std::string& was,
                        const std::string& is);

// The name of an input without its folder, as UTF-8.
std::string source_name(const std::filesystem::path& input);

}  // namespace gpt
