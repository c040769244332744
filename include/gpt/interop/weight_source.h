// The weights of a GPT-2 that another program saved.
#pragma once

#include <filesystem>
#include <string>

#include <ATen/core/Tensor.h>

#include "gpt/model/parameter.h"
#include "gpt/model/parameter_table.h"

namespace gpt {

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
};

// Copies every weight into the parameters of a Gpt, on any device. The positions of a model
// with a smaller block_size are the first ones of the source's, as nanoGPT crops. InputError if the
// shapes differ otherwise.
void load_weights(const WeightSource& source, const ParameterList& parameters);

}  // namespace gpt
