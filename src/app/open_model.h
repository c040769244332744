// The model that `sample` and `eval` are asked to run, wherever it comes from.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "gpt/base/files.h"
#include "gpt/config/model_config.h"
#include "gpt/config/open_config.h"
#include "gpt/interop/weight_source.h"
#include "gpt/model/parameter.h"
#include "gpt/text/tokenizer.h"

namespace gpt {

struct OpenModel {
  std::string name;  // for messages: the checkpoint's folder, or the source
  ModelConfig config;
  std::int64_t block_size = 0;  // of training
  ParameterList weights;        // float32, on the CPU; not to be written
  std::string vocabulary_json;  // its dataset's meta.json, or "" if there was none
  // The token that attention does not look beyond, where training did not (document_mask).
  std::optional<std::int64_t> document_end = {};
  std::string tokenizer;  // where a vocabulary lies next to its weights, or ""
  std::shared_ptr<const WeightSource> source = nullptr;  // whose file the weights may look into
};

// A run folder that holds nanoGPT's ckpt.pt and no checkpoint of ours will do as well. InputError
// says what is missing and what to do.
OpenModel open_model(const OpenConfig& asked);

// Tokens that the model knows, padding included: the rows of its embedding.
std::int64_t vocabulary_of(const OpenModel& model);

// See open_tokenizer; or a dataset's folder, or the meta.json or meta.pkl in it. InputError.
std::unique_ptr<Tokenizer> asked_tokenizer(const fs::path& asked);

// `asked`, read by asked_tokenizer, if it is not empty; else the dataset's; else
// the one next to the weights; else GPT-2's, as nanoGPT has it for datasets without a meta.json.
// Where it has a few tokens more than the model, a warning, and an InputError for a text that needs
// one of them; where it has many, an InputError.
std::unique_ptr<Tokenizer> tokenizer_for(const OpenModel& model, const std::string& asked,
                                         std::int64_t model_vocab_size);

}  // namespace gpt
