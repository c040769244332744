#include "hf_config.h"

#include <span>

#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/file_kind.h"
#include "gpt/base/files.h"
#include "gpt/base/json.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"
#include "gpt/kernels/ops/layer_norm_epsilon.h"

namespace gpt {

namespace {

using Json = nlohmann::ordered_json;

Json read_json(const std::filesystem::path& path) {
  constexpr std::size_t kLargest = 64 << 20;  // an index of 100,000 tensors has 10 MB
  const std::string text = read_small_file(path, kLargest, "a JSON file");
  refuse_foreign_file(path, std::as_bytes(std::span(text)));
  Json json = parse_ordered_json(text, path.string());
  if (!json.is_object()) throw InputError(path.string() + ": expected a JSON object");
  return json;
}

std::int64_t size_of(const Json& json, const char* key, const std::string& where) {
  const auto found = json.find(key);
  if (found == json.end()) throw InputError(where + ": key " + key + " is missing");
  if (!found->is_number_integer() || *found < 1 || *found > 10'000'000)
    throw InputError(where + ": " + key + ": expected a size from 1 up, found " + found->dump());
  return *found;
}

// A switch that must have this value; absent means it has.
void require(const Json& json, const char* key, const Json& wanted, const std::string& where) {
  const auto found = json.find(key);
  if (found != json.end() && *found != wanted && !found->is_null())
    throw InputError(concat(where, ": ", key, " is ", found->dump(), "; this program's GPT-2 has ",
                            wanted.dump()));
}

std::string gelu_of(const Json& json, const std::string& where) {
  const Json name = json.value("activation_function", Json("gelu_new"));
  if (name == "gelu" || name == "gelu_python") return "exact";
  for (const char* tanh : {"gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_accurate"})
    if (name == tanh) return "tanh";
  throw InputError(where + ": activation_function " + name.dump() +
                   " is not known; gelu_new and gelu are");
}

// The id of <|endoftext|>, GPT-2's last token; other vocabularies have none.
Json end_of_text(const ModelShape& shape) {
  return shape.vocab_size >= kGpt2Vocabulary ? Json(kGpt2Vocabulary - 1) : Json(nullptr);
}

}  // namespace

ModelShape read_hf_config(const std::filesystem::path& path, bool* tied) {
  const std::string where = path.string();
  const Json json = read_json(path);
  if (json.value("model_type", Json("gpt2")) != "gpt2")
    throw InputError(where + ": model_type is " + json["model_type"].dump() +
                     ", expected \"gpt2\": this program trains no other model");
  ModelShape shape;
  shape.config.n_layer = size_of(json, "n_layer", where);
  shape.config.n_head = size_of(json, "n_head", where);
  shape.config.n_embd = size_of(json, "n_embd", where);
  shape.block_size = size_of(json, json.contains("n_positions") ? "n_positions" : "n_ctx", where);
  shape.vocab_size = size_of(json, "vocab_size", where);
  shape.config.vocab_size.value = shape.vocab_size;
  shape.config.bias = true;
  shape.config.gelu = gelu_of(json, where);
  if (shape.config.n_layer > 1000 || shape.config.n_embd % shape.config.n_head != 0)
    throw InputError(concat(where, ": ", shape.config.n_layer, " layers, ", shape.config.n_head,
                            " heads and a width of ", shape.config.n_embd, " make no GPT-2"));
  require(json, "n_inner", 4 * shape.config.n_embd, where);
  require(json, "scale_attn_weights", true, where);
  require(json, "scale_attn_by_inverse_layer_idx", false, where);
  require(json, "add_cross_attention", false, where);
  // False is fine where the head's matrix equals the embedding's all the same.
  if (tied) *tied = json.value("tie_word_embeddings", Json(true)) != false;
  require(json, "layer_norm_epsilon", kLayerNormEpsilon, where);
  return shape;
}

std::set<std::string> read_hf_index(const std::filesystem::path& path) {
  const std::string kind = path.string().ends_with(".bin.index.json") ? ".bin" : ".safetensors";
  const Json json = read_json(path);
  const auto map = json.find("weight_map");
  if (map == json.end() || !map->is_object() || map->empty())
    throw InputError(path.string() + ": expected a weight_map of tensor names to files");
  std::set<std::string> shards;
  for (const auto& [tensor, file] : map->items()) {
    const std::string name = file.is_string() ? file.get<std::string>() : "";
    if (name.empty() || name == ".." || fs::path(name).filename() != name ||
        name.find_first_of(std::string_view("\\\0", 2)) != name.npos || !name.ends_with(kind))
      throw InputError(path.string() + ": " + quoted_name(tensor) + " is in " +
                       quoted_name(file.dump()) + ", which is no " + kind + " file next to it");
    shards.insert(name);
  }
  return shards;
}

std::string hf_config_json(const ModelShape& shape) {
  Json json;
  json["architectures"] = {"GPT2LMHeadModel"};
  json["model_type"] = "gpt2";
  json["activation_function"] = shape.config.gelu == "tanh" ? "gelu_new" : "gelu";
  for (const char* key : {"attn_pdrop", "embd_pdrop", "resid_pdrop"})
    json[key] = shape.config.dropout;
  json["bos_token_id"] = json["eos_token_id"] = end_of_text(shape);
  json["initializer_range"] = 0.02;
  json["layer_norm_epsilon"] = kLayerNormEpsilon;
  json["n_ctx"] = json["n_positions"] = shape.block_size;
  json["n_embd"] = shape.config.n_embd;
  json["n_head"] = shape.config.n_head;
  json["n_inner"] = nullptr;
  json["n_layer"] = shape.config.n_layer;
  json["reorder_and_upcast_attn"] = false;
  json["scale_attn_by_inverse_layer_idx"] = false;
  json["scale_attn_weights"] = true;
  json["tie_word_embeddings"] = true;
  json["torch_dtype"] = "float32";
  json["use_cache"] = true;
  json["vocab_size"] = shape.vocab_size;
  return json.dump(2) + "\n";
}

std::string hf_generation_config_json(const ModelShape& shape) {
  Json json;
  json["_from_model_config"] = true;
  json["bos_token_id"] = json["eos_token_id"] = end_of_text(shape);
  return json.dump(2) + "\n";
}

}  // namespace gpt
