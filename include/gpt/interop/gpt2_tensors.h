// The tensors of a GPT-2 in files of other programs, whatever wrappers were around the model when
// it was saved and whichever way its matrices lie.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "gpt/interop/tensor_file.h"
#include "gpt/model/parameter_table.h"

namespace gpt {

class Gpt2Tensors {
 public:
  // How messages name a tensor of the file: "ckpt.pt: model['x']:", "gpt2: tensor x".
  using Place = std::function<std::string(const std::string& stored_name)>;

  // Finds the parameters among what the files hold. Names may be wrapped anywhere in module.,
  // _orig_mod. and their like, and may begin with `transformer.`, with nothing, or with what an
  // outer model called it; mask buffers are passed over. InputError if there is no GPT-2, a name
  // comes twice, or a tensor is none of GPT-2's.
  Gpt2Tensors(std::vector<std::unique_ptr<TensorFile>> files, const std::string& origin,
              Place place);

  // What the tensors themselves say: layers, width, tokens, positions, biases. n_head is none of
  // it.
  ModelShape sizes() const;
  // Hugging Face's Conv1D: the matrices within blocks are [in, out].
  bool transposed() const { return transposed_; }

  // InputError unless every parameter of the shape is there with its sizes, and the head, if there
  // is one, is the token embedding. `said_by`: who says the shape.
  void check(const ModelShape& shape, const std::string& said_by) const;
  bool has_head() const { return places_.contains(kHeadName); }

  // By the name that this program has: float32, [out, in].
  at::Tensor weight(const std::string& name) const;
  // Whether the file's own tensor is [in, out].
  bool is_turned(const std::string& name) const;

 private:
  static constexpr const char* kHeadName = "lm_head.weight";
  struct Stored {
    const TensorFile* file;
    std::string name;
  };
  void index(const std::string& origin);
  void find_orientation();
  std::vector<std::int64_t> shape_of(const std::string& name) const;
  std::string place_of(const std::string& name) const;

  std::vector<std::unique_ptr<TensorFile>> files_;
  Place place_;
  std::map<std::string, Stored> places_;  // by our names
  bool transposed_ = false;
};

}  // namespace gpt
