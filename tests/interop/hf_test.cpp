#include <sstream>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/interop/hf_folder.h"
#include "gpt/interop/hf_writer.h"
#include "gpt/interop/pretrained.h"
#include "gpt/model/gpt.h"

#include "support/environment.h"
#include "support/error_text.h"
#include "support/file_fault.h"
#include "support/python.h"
#include "support/temp_dir.h"
#include "support/tensor_near.h"

namespace gpt {
namespace {

using nlohmann::json;
using testing::Environment;
using testing::error_text;
using testing::TempDir;

#define REQUIRE_TRANSFORMERS(python)                         \
  const std::string python = testing::venv_python("extras"); \
  if (python.empty())                                        \
  GTEST_SKIP() << "no transformers in the cache folder; scripts/setup --with-tests installs it"

const std::string kScript = "tests/interop/hf_models.py";

// (T, V) logits of the script's tokens.
at::Tensor logits_of(const Gpt& model) {
  const at::NoGradGuard no_grad;
  const at::Tensor tokens_BT = at::tensor({3, 1, 4, 1, 5, 9, 2, 6, 5, 3}, at::kLong).view({1, -1});
  const at::Tensor wte = model.parameters()[0].tensor;
  return at::linear(model.forward(tokens_BT), wte)[0];
}

Gpt model_of(const WeightSource& source) {
  const ModelShape& shape = source.shape();
  at::Generator generator = testing::generator(1);
  Gpt model(shape.config, shape.vocab_size, shape.block_size, generator);
  load_weights(source, model.parameters());
  return model;
}

at::Tensor tensor_of(const json& values, at::IntArrayRef shape) {
  return at::tensor(values.get<std::vector<double>>(), at::kDouble).view(shape);
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

TEST(ModelShape, NamesGptsParametersInItsOrder) {
  for (const bool bias : {false, true}) {
    ModelShape shape{.config = {}, .vocab_size = 11, .block_size = 7};
    shape.config.n_layer = 3;
    shape.config.n_head = 2;
    shape.config.n_embd = 8;
    shape.config.bias = bias;
    at::Generator generator = testing::generator(1);
    const Gpt model(shape.config, 11, 7, generator);
    const auto list = parameter_table(shape);
    ASSERT_EQ(list.size(), model.parameters().size());
    for (std::size_t i = 0; i < list.size(); ++i) {
      EXPECT_EQ(list[i].name, model.parameters()[i].name);
      EXPECT_EQ(list[i].shape, model.parameters()[i].tensor.sizes().vec()) << list[i].name;
    }
  }
}

TEST(HfFolder, GivesTransformersLogits) {
  REQUIRE_TRANSFORMERS(python);
  const TempDir dir;
  const auto made = testing::run_python(python, kScript, {"make", dir.path()});
  ASSERT_EQ(made.code, 0) << made.out;
  for (const std::string name :
       {"plain", "gelu", "sharded", "bfloat16", "bare", "headed", "pickled", "pickled_bare",
        "pickled_shards", "pickled_turned", "pickled_half", "both", "old_pickle", "pickled_more",
        "pickled_code", "module", "apart", "half_shards", "no_config"}) {
    const HfFolder source(dir / name, {.n_head = 3, .gelu = ""});
    EXPECT_EQ(source.shape().config.gelu, name == "gelu" ? "exact" : "tanh");
    const at::Tensor expected =
        tensor_of(json::parse(read_file(dir / name / "logits.json")), {10, 61});
    const double difference = largest_difference(logits_of(model_of(source)), expected);
    EXPECT_LT(difference, 1e-4) << name;
    std::printf("%s: largest difference of a logit %.2g (of up to %.3g)\n", name.c_str(),
                difference, expected.abs().max().item<double>());
  }
  const auto error = [&](const char* name) {
    return error_text([&] { const HfFolder source(dir / name); });
  };
  EXPECT_NE(error("untied").find("lm_head.weight is not the token embedding"), std::string::npos);
  EXPECT_NE(error("extra").find("tensor score.weight is none of GPT-2's"), std::string::npos);
  EXPECT_NE(error("apart_headless").find("tie_word_embeddings is false, but"), std::string::npos);
  EXPECT_NE(error("shard_lost").find("download it, too"), std::string::npos) << error("shard_lost");
  EXPECT_NE(error("adapter").find("adapter_model.safetensors is a LoRA adapter"),
            std::string::npos);
  EXPECT_NE(error("lacking").find("transformer.h.1.ln_2.bias is missing"), std::string::npos);
  EXPECT_NE(error("relu").find("activation_function \"relu\""), std::string::npos);
  EXPECT_NE(error("inverse").find("scale_attn_by_inverse_layer_idx is true"), std::string::npos);
  EXPECT_NE(error("epsilon").find("layer_norm_epsilon is 1e-06"), std::string::npos);
  EXPECT_NE(error("nowhere").find("no such folder"), std::string::npos);
  EXPECT_NE(error("pickled_untied").find("lm_head.weight is not the token"), std::string::npos);
  EXPECT_NE(error("pickled_lacking").find("transformer.h.1.ln_2.bias is missing"),
            std::string::npos);
  EXPECT_NE(error("pickled_short").find("wpe.weight is [15, 24], config.json says [16, 24]"),
            std::string::npos);
  // Not only near: the same bits as from safetensors.
  const HfFolder plain(dir / "plain"), pickled(dir / "pickled_shards");
  for (const ParameterShape& parameter : parameter_table(plain.shape()))
    EXPECT_TRUE(at::equal(plain.weight(parameter.name), pickled.weight(parameter.name)))
        << parameter.name;

  // The two kinds of GELU tell apart: the test above could not pass with the wrong one.
  ModelConfig wrong = HfFolder(dir / "gelu").shape().config;
  wrong.gelu = "tanh";
  at::Generator generator = testing::generator(1);
  Gpt model(wrong, 61, 16, generator);
  load_weights(HfFolder(dir / "gelu"), model.parameters());
  EXPECT_GT(
      largest_difference(logits_of(model),
                         tensor_of(json::parse(read_file(dir / "gelu/logits.json")), {10, 61})),
      1e-4);
}

// A random model and its weights as a checkpoint keeps them.
struct Sample {
  Sample(const TempDir& dir, std::int64_t vocab_size, bool bias, const std::string& gelu) {
    shape = {.config = {}, .vocab_size = vocab_size, .block_size = 16};
    shape.config.n_layer = 2;
    shape.config.n_head = 3;
    shape.config.n_embd = 24;
    shape.config.bias = bias;
    shape.config.gelu = gelu;
    shape.config.dropout = 0.25;
    at::Generator generator = testing::generator(3);
    model.emplace(shape.config, vocab_size, 16, generator);
    std::vector<TensorView> views;
    for (const Parameter& parameter : model->parameters()) {
      at::Tensor tensor = parameter.tensor.detach();
      tensor.normal_(0.0, 0.5, generator);
      views.push_back({parameter.name,
                       "F32",
                       tensor.sizes().vec(),
                       {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()}});
    }
    write_safetensors(dir / "weights.safetensors", views);
  }
  ModelShape shape;
  std::optional<Gpt> model;
};

TEST(HfWriter, TransformersLoadsItAndGivesTheSameLogits) {
  REQUIRE_TRANSFORMERS(python);
  const TempDir biased, plain;
  const Sample tanh(biased, 64, true, "tanh"), exact(plain, 64, false, "exact");
  const SafetensorsFile tanh_weights(biased / "weights.safetensors");
  const SafetensorsFile exact_weights(plain / "weights.safetensors");
  write_hf_folder(biased / "hf", {tanh.shape, tanh_weights, /*vocab_size=*/61, {}});
  write_hf_folder(plain / "hf", {exact.shape, exact_weights, /*vocab_size=*/64, {}});
  const auto read = testing::run_python(python, kScript, {"logits", biased / "hf", plain / "hf"});
  ASSERT_EQ(read.code, 0) << read.out;
  std::istringstream lines(read.out);
  for (const Sample* sample : {&tanh, &exact}) {
    std::string line;
    std::getline(lines, line);
    const json found = json::parse(line);
    const std::int64_t rows = sample == &tanh ? 61 : 64;
    EXPECT_EQ(found.at("activation"), sample == &tanh ? "gelu_new" : "gelu");
    EXPECT_EQ(found.at("dropout"), 0.25);
    EXPECT_TRUE(found.at("bos").is_null());
    const at::Tensor theirs = tensor_of(found.at("logits"), {10, rows});
    const at::Tensor ours = logits_of(*sample->model).narrow(1, 0, rows);
    const double difference = largest_difference(ours, theirs);
    EXPECT_LT(difference, 1e-4);
    std::printf("export: largest difference of a logit %.2g (of up to %.3g)\n", difference,
                theirs.abs().max().item<double>());
    // And back: the same bits, but for the zeros in place of no biases.
    const HfFolder again((sample == &tanh ? biased : plain) / "hf");
    EXPECT_EQ(again.shape().config.gelu, sample->shape.config.gelu);
    for (const Parameter& parameter : sample->model->parameters()) {
      const at::Tensor weight = again.weight(parameter.name);
      EXPECT_TRUE(at::equal(weight, parameter.tensor.detach().narrow(0, 0, weight.size(0))))
          << parameter.name;
    }
  }
}

TEST(HfWriter, AFullDiskLeavesNothing) {
  const TempDir dir;
  const Sample sample(dir, 64, true, "tanh");
  const SafetensorsFile weights(dir / "weights.safetensors");
  for (const std::string failing : {"write", "fsync", "rename", "mkdir"}) {
    const testing::FileFaultGuard full([&](std::string_view call, const fs::path&, std::size_t*) {
      return call == failing ? ENOSPC : 0;
    });
    EXPECT_THROW(write_hf_folder(dir / "hf", {sample.shape, weights, 64, {}}), IoError) << failing;
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), {}), 1);
}

TEST(HfFolder, ReadsItsOwnFolderCroppedAndRefusesDamage) {
  const TempDir dir;
  const Sample sample(dir, 64, true, "tanh");
  const SafetensorsFile weights(dir / "weights.safetensors");
  write_hf_folder(dir / "hf", {sample.shape, weights, 64, {{"vocab.json", "{}"}}});
  EXPECT_EQ(read_file(dir / "hf/vocab.json"), "{}");
  const HfFolder source(dir / "hf");
  at::Generator generator = testing::generator(1);
  Gpt cropped(source.shape().config, 64, 12, generator);
  load_weights(source, cropped.parameters());
  EXPECT_TRUE(testing::near(logits_of(cropped), logits_of(*sample.model), 1e-6));
  Gpt longer(source.shape().config, 64, 17, generator);
  EXPECT_NE(error_text([&] {
              load_weights(source, longer.parameters());
            }).find("wpe.weight is [16, 24], the model needs [17, 24]"),
            std::string::npos);

  const std::string config = read_file(dir / "hf/config.json");
  const auto error = [&](const std::string& text) {
    dir.write("hf/config.json", text);
    return error_text([&] { const HfFolder folder(dir / "hf"); });
  };
  const auto changed = [&](const char* key, const json& value) {
    json edited = json::parse(config);
    edited[key] = value;
    return error(edited.dump());
  };
  EXPECT_EQ(error(config), "");
  EXPECT_NE(error("{").find("config.json:1: not valid JSON (byte 1)"), std::string::npos);
  EXPECT_NE(error("[]").find("expected a JSON object"), std::string::npos);
  EXPECT_NE(error(std::string(100000, '[')).find("nested deeper than 64 levels"),
            std::string::npos);
  EXPECT_NE(changed("model_type", "llama").find("expected \"gpt2\""), std::string::npos);
  EXPECT_NE(changed("n_layer", -1).find("expected a size from 1 up"), std::string::npos);
  EXPECT_NE(changed("n_layer", "2").find("expected a size from 1 up"), std::string::npos);
  EXPECT_NE(changed("n_layer", 1000000).find("make no GPT-2"), std::string::npos);
  EXPECT_NE(changed("n_layer", 3).find("transformer.h.2.ln_1.weight is missing"),
            std::string::npos);
  EXPECT_NE(changed("n_layer", 1).find("transformer.h.1.attn.c_attn.bias is none of"),
            std::string::npos);
  EXPECT_NE(changed("n_positions", 32).find("is [16, 24], config.json says [32, 24]"),
            std::string::npos);
  EXPECT_NE(changed("n_inner", 90).find("n_inner is 90"), std::string::npos);
}

TEST(HfFolder, AnIndexMayNameOnlyFilesBesideIt) {
  const TempDir dir;
  const Sample sample(dir, 64, true, "tanh");
  const SafetensorsFile weights(dir / "weights.safetensors");
  write_hf_folder(dir / "hf", {sample.shape, weights, 64, {}});
  rename_path(dir / "hf/model.safetensors", dir / "hf/a.safetensors");
  const auto error = [&](const std::string& file) {
    dir.write("hf/model.safetensors.index.json",
              json({{"weight_map", {{"transformer.wte.weight", file}}}}).dump());
    return error_text([&] { const HfFolder folder(dir / "hf"); });
  };
  EXPECT_EQ(error("a.safetensors"), "");
  for (const char* name : {"../a.safetensors", "/etc/passwd", "x/a.safetensors", "", "..", "a.bin"})
    EXPECT_NE(error(name).find("no .safetensors file next to it"), std::string::npos) << name;
  EXPECT_NE(error("absent.safetensors").find("absent.safetensors"), std::string::npos);

  rename_path(dir / "hf/model.safetensors.index.json", dir / "hf/pytorch_model.bin.index.json");
  dir.write("hf/pytorch_model.bin.index.json", R"({"weight_map": {"a": "a.safetensors"}})");
  EXPECT_NE(error_text([&] { const HfFolder folder(dir / "hf"); }).find("no .bin file next to it"),
            std::string::npos);
  fs::remove(dir / "hf/pytorch_model.bin.index.json");
  EXPECT_NE(error_text([&] {
              const HfFolder folder(dir / "hf");
            }).find("neither model.safetensors nor pytorch_model.bin"),
            std::string::npos);
}

TEST(Pretrained, FindsLocalCopiesAndElseSaysWhatToDownload) {
  const TempDir dir;
  const Environment cache("HF_HUB_CACHE", dir / "hub");
  const std::string message = error_text([&] { find_pretrained("gpt2-xl", "models"); });
  for (const char* part :
       {"gpt2-xl: no local copy", "config.json and model.safetensors (6.4 GB)",
        "openai-community/gpt2-xl into models/gpt2-xl/", "hf download", "--pretrained_dir=models"})
    EXPECT_NE(message.find(part), std::string::npos) << message;
  EXPECT_NE(message.find((dir / "hub").string()), std::string::npos) << message;

  const auto put = [&](const std::string& folder) {
    make_directories(dir / folder);
    dir.write(folder + "/config.json", "{}");
    dir.write(folder + "/model.safetensors", "");
    return dir / folder;
  };
  put("hub/models--gpt2/snapshots/aaa");
  EXPECT_EQ(find_pretrained("gpt2", ""), dir / "hub/models--gpt2/snapshots/aaa");
  put("hub/models--openai-community--gpt2/snapshots/bbb");
  const auto main = put("hub/models--openai-community--gpt2/snapshots/abc");
  make_directories(dir / "hub/models--openai-community--gpt2/refs");
  dir.write("hub/models--openai-community--gpt2/refs/main", "abc");
  EXPECT_EQ(find_pretrained("gpt2", ""), main);
  dir.write("hub/models--openai-community--gpt2/refs/main", "../../../elsewhere");
  EXPECT_EQ(find_pretrained("gpt2", "").filename(), "bbb");
  EXPECT_EQ(find_pretrained("gpt2", put("own/gpt2").parent_path()), dir / "own/gpt2");
  EXPECT_EQ(find_pretrained("gpt2", dir / "own/gpt2"), dir / "own/gpt2");
  rename_path(dir / "own/gpt2/model.safetensors", dir / "own/gpt2/pytorch_model.bin");
  EXPECT_EQ(find_pretrained("gpt2", dir / "own/gpt2"), dir / "own/gpt2");
}

TEST(Pretrained, OpensByWhatItIsAndChecksTheName) {
  const TempDir dir;
  const Sample sample(dir, 64, true, "tanh");
  const SafetensorsFile weights(dir / "weights.safetensors");
  write_hf_folder(dir / "gpt2", {sample.shape, weights, 64, {}});
  EXPECT_EQ(open_weights(dir / "gpt2", "")->shape().vocab_size, 64);
  EXPECT_NE(error_text([&] { open_weights("gpt2", dir.path()); }).find("has 2 layers, gpt2 has 12"),
            std::string::npos);
  EXPECT_NE(error_text([&] { open_weights(dir / "absent", ""); }).find("no such file or folder"),
            std::string::npos);
  // The file by itself has no config.json next to it; it says all but the heads.
  EXPECT_NE(
      error_text([&] { open_weights(dir / "weights.safetensors"); }).find("say it with --n_head=N"),
      std::string::npos);
  const auto file = open_weights(dir / "weights.safetensors", "", {.n_head = 3, .gelu = "tanh"});
  EXPECT_EQ(file->shape().config.gelu, "tanh");
  for (const Parameter& parameter : sample.model->parameters())
    EXPECT_TRUE(at::equal(file->weight(parameter.name), parameter.tensor.detach()));
  // One that lies in the folder takes its config.json.
  EXPECT_EQ(open_weights(dir / "gpt2/model.safetensors")->shape().config.n_head, 3);
}

}  // namespace
}  // namespace gpt
