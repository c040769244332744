// The weights of a GPT-2 that another program saved.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include <ATen/core/Tensor.h>

#include "gpt/model/parameter.h"
#include "gpt/model/parameter_table.h"

namespace gpt {

// What the user says of weights whose file does not say it.
struct SourceHints {
  std::optional<std::int64_t> n_head;
  std::string gelu;  // exact, tanh; else ""
};

class WeightSource {
 public:
  virtual ~WeightSource() = default;

  virtual const ModelShape& shape() const = 0;
  // The parameter of that name as this program has it: float32, row-major, on the CPU. It may look
  // into the source's file: read it while the source lives, and do not write it. InputError if the
  // file's tensor is missing, damaged, or not of the shape that shape() implies.
  virtual at::Tensor weight(const std::string& name) const = 0;
  virtual std::string origin() const = 0;  // for messages

  // What its tokens mean, as far as it says so; else empty.
  virtual std::string dataset() const { return ""; }                     // the name of one
  virtual std::filesystem::path tokenizer_folder() const { return {}; }  // with a vocabulary in it
  virtual std::string vocabulary_json() const { return ""; }             // a meta.json's text
  // Was it trained with document_mask?
  virtual bool masks_documents() const { return false; }
};

// Copies every weight into the parameters of a Gpt, on any device. The positions of a model
// with a smaller block_size are the first ones of the source's, as nanoGPT crops. InputError if the
// shapes differ otherwise, or a weight is NaN or infinite.
void load_weights(const WeightSource& source, const ParameterList& parameters);

// The attention heads of a model of that width, which its file says (`said`; 0: it does not), or
// the hints do, or else as GPT-2's: 64 columns a head, which the log says. InputError if the width
// is no multiple of 64 then, or of what the hints say.
std::int64_t settled_heads(std::int64_t said, std::int64_t n_embd, const SourceHints& hints,
                           const std::string& origin);

// The same of GELU: `said` by the file ("" if it does not), the hints, or else by the layout of its
// matrices: Hugging Face's GPT-2 (`conv1d`) has tanh, nanoGPT exact.
std::string settled_gelu(const std::string& said, bool conv1d, const SourceHints& hints,
                         const std::string& origin);

}  // namespace gpt
