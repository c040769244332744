// What a training step of the fused engine launches on a GPU, recorded without one:
//     traffic_launches LAYERS HEADS WIDTH VOCABULARY TOKENS SEQUENCES HEAD_CHUNK RECOMPUTE DROPOUT
// DROPOUT: none, or the attention that takes it: plain, tiled.
// The engine runs on the CPU with a back end that computes nothing and writes down each launch with
// the bytes that its arguments hold. LibTorch's operators do run, and are written down by its
// profiler's hook. A line each of "name, shape, launches, bytes read, bytes written, FLOPs", tabs
// between; scripts/bench/traffic.py adds them up. Every tensor counts once a launch: what a kernel
// reads twice, it finds in the caches the second time.
#include <algorithm>
#include <cstdio>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/record_function.h>

#include "gpt/kernels/device_choices.h"
#include "gpt/model/engines.h"
#include "gpt/optim/adamw.h"

#include "kernels/cuda/backend.h"
#include "kernels/cuda/matmul_backend.h"

namespace gpt {

namespace {

struct Launch {
  std::int64_t launches = 0, read = 0, written = 0;
  double flops = 0;
};

struct Recorder {
  bool on = false;
  int depth = 0;  // of LibTorch's operators that are written down: what they call is their part
  std::map<std::pair<std::string, std::string>, Launch> all;
};
Recorder recorder;

int record(const std::string& name, const std::string& shape, const Launch& launch) {
  if (!recorder.on) return 0;
  Launch& sum = recorder.all[{name, shape}];
  sum.launches += launch.launches;
  sum.read += launch.read;
  sum.written += launch.written;
  sum.flops += launch.flops;
  return 0;
}

std::string text(std::initializer_list<std::int64_t> sizes) {
  std::string out;
  for (const std::int64_t size : sizes) out += (out.empty() ? "" : " x ") + std::to_string(size);
  return out;
}

std::int64_t bytes_of(Float type) {
  return type == Float::kFloat64 ? 8 : type == Float::kFloat32 ? 4 : 2;
}
std::int64_t real_bytes(Float type) {
  return std::max<std::int64_t>(4, bytes_of(type));
}

}  // namespace

// Instead of src/kernels/cuda/backend_*.cpp and the .cu files, which the linker then leaves out.
bool has_kernels(const at::Tensor&) {
  return true;
}

void run_kernel(const at::Tensor&, c10::function_ref<int(void* stream)> launch) {
  launch(nullptr);
}

int launch_cross_entropy(const CrossEntropyLaunch& in, void*) {
  const std::int64_t size = bytes_of(in.type);
  return record(
      "cross_entropy", text({in.rows, in.stride}),
      {.launches = 1,
       .read = in.rows * (in.vocab * size + 8),
       .written = in.rows * ((in.gradient ? in.stride * size : 0) + real_bytes(in.type))});
}

int launch_dropout(const DropoutLaunch& in, void*) {
  const std::int64_t all = in.rows * in.size * bytes_of(in.type);
  return record("dropout", text({in.rows, in.size}), {.launches = 1, .read = all, .written = all});
}

int launch_causal_softmax(const CausalSoftmaxLaunch& in, void*) {
  const std::int64_t all = (in.gradient ? 2 : 1) * in.rows * in.tokens * bytes_of(in.type);
  return record("causal_softmax", text({in.rows, in.tokens}),
                {.launches = 1, .read = all / 2, .written = all});
}

namespace {

// A causal product has half of its FLOPs; q, k, v, y and their gradients are as large as another.
struct TiledSizes {
  std::int64_t one, sums;
  double product;
  std::string shape;

  explicit TiledSizes(const TiledAttentionLaunch& in)
      : one(in.sequences * in.heads * in.tokens * in.width * bytes_of(in.type)),
        sums(in.sequences * in.heads * in.tokens * 4),
        product(static_cast<double>(in.sequences * in.heads * in.width) *
                static_cast<double>(in.tokens * in.tokens)),
        shape(text({in.sequences, in.heads, in.tokens, in.width})) {}
};

}  // namespace

int launch_tiled_attention(const TiledAttentionLaunch& in, void*) {
  const TiledSizes of(in);
  return record(
      "attention in tiles", of.shape,
      {.launches = 1, .read = 3 * of.one, .written = of.one + of.sums, .flops = 2 * of.product});
}

int launch_tiled_attention_backward(const TiledAttentionLaunch& in, void*) {
  const TiledSizes of(in);
  record("attention in tiles: dq", of.shape,
         {.launches = 1,
          .read = 5 * of.one + of.sums,
          .written = of.one + of.sums,
          .flops = 3 * of.product});
  return record("attention in tiles: dk, dv", of.shape,
                {.launches = 1,
                 .read = 4 * of.one + 2 * of.sums,
                 .written = 2 * of.one,
                 .flops = 4 * of.product});
}

int launch_add_layer_norm(const AddLayerNormLaunch& in, void*) {
  const std::int64_t all = in.rows * in.width, low = bytes_of(in.type), real = real_bytes(in.type);
  const std::int64_t vectors = (in.bias ? 2 : 1) * in.width * real;
  return record(in.branch ? "add + LayerNorm" : "LayerNorm", text({in.rows, in.width}),
                {.launches = 1,
                 .read = all * (real + (in.branch ? low : 0)) + vectors,
                 .written = all * (low + (in.branch && in.sum ? real : 0)) + 2 * in.rows * real});
}

int launch_layer_norm_backward(const LayerNormBackwardLaunch& in, void*) {
  const std::int64_t all = in.rows * in.width, low = bytes_of(in.type), real = real_bytes(in.type);
  return record(
      "LayerNorm backward + add", text({in.rows, in.width}),
      {.launches = 1,
       .read = all * (low + real + (in.accumulate ? real : 0)) + (2 * in.rows + in.width) * real,
       .written = all * (real + (in.dbranch ? low : 0)) + in.blocks * 2 * in.width * real});
}

int launch_gelu(const GeluLaunch& in, void*) {
  const std::int64_t all = in.count * bytes_of(in.type);
  return record(in.up ? "GELU backward" : "GELU", text({in.count}),
                {.launches = 1, .read = (in.up ? 2 : 1) * all, .written = all});
}

int launch_column_sums(const ColumnSumsLaunch& in, void*) {
  return record("column sums", text({in.rows, in.columns}),
                {.launches = 1,
                 .read = in.rows * in.columns * bytes_of(in.type),
                 .written = in.chunks * in.columns * real_bytes(in.type)});
}

int launch_gelu_backward_sums(const GeluSumsLaunch& in, void*) {
  const std::int64_t all = in.rows * in.columns * bytes_of(in.type);
  return record("GELU backward + column sums", text({in.rows, in.columns}),
                {.launches = 1,
                 .read = 2 * all,
                 .written = all + in.chunks * in.columns * real_bytes(in.type)});
}

int launch_join_sums(const JoinSumsLaunch& in, void*) {
  const std::int64_t all = 3 * in.rows * in.width * bytes_of(in.type);
  const std::int64_t sums = in.partial ? 3 * in.chunks * in.width * real_bytes(in.type) : 0;
  return record("join + column sums", text({in.rows, 3 * in.width}),
                {.launches = 1, .read = all, .written = all + sums});
}

int launch_add_rows(const AddRowsLaunch& in, void*) {
  const std::int64_t row = in.columns * real_bytes(in.type);
  return record("add rows", text({in.rows, in.columns}),
                {.launches = 1, .read = (in.rows + 1) * row, .written = row});
}

int launch_embedding(const EmbeddingLaunch& in, void*) {
  const std::int64_t row = in.width * real_bytes(in.type);
  return record("embedding", text({in.rows, in.width}),
                {.launches = 1,
                 .read = in.rows * (8 + row) + in.tokens_per_sequence * row,
                 .written = in.rows * row});
}

// As if all tokens were different words.
int launch_embedding_gradient(const EmbeddingGradientLaunch& in, void*) {
  const std::int64_t row = in.width * real_bytes(in.type);
  return record("embedding gradient", text({in.rows, in.width}),
                {.launches = 2, .read = in.rows * (32 + 2 * row), .written = in.rows * row});
}

namespace {

std::int64_t elements(const ParameterPiece* pieces, std::int64_t count) {
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i < count; ++i) sum += pieces[i].count;
  return sum;
}

}  // namespace

int launch_square_sums(const SquareSumsLaunch& in, void*) {
  const std::int64_t all = elements(in.pieces, in.count);
  return record("gradient norm", "parameters",
                {.launches = 1, .read = 4 * all, .written = 8 * in.count});
}

int launch_adamw(const AdamWLaunch& in, void*) {
  const std::int64_t all = elements(in.pieces, in.count);
  return record("AdamW", "parameters", {.launches = 1, .read = 16 * all, .written = 12 * all});
}

bool multiplies(const at::Tensor& factor) {
  return factor.scalar_type() == at::kBFloat16 || factor.scalar_type() == at::kHalf;
}

bool multiply(const MatmulArgs& in) {
  const std::int64_t M = in.out.size(0), N = in.out.size(1), K = in.a.size(in.transpose_a ? 0 : 1);
  const auto bytes = [](const at::Tensor& t) { return t.numel() * t.element_size(); };
  const std::string name = std::string("GEMM ") + (in.transpose_a ? "T" : "N") +
                           (in.transpose_b ? "T" : "N") + " to " +
                           c10::toString(in.out.scalar_type()) + (in.accumulate ? ", added" : "") +
                           (in.bias.defined() ? " + bias" : "");
  record(name, text({M, K, N}),
         {.launches = 1,
          .read = bytes(in.a) + bytes(in.b) + (in.accumulate ? bytes(in.out) : 0) +
                  (in.bias.defined() ? bytes(in.bias) : 0),
          .written = bytes(in.out),
          .flops = 2.0 * static_cast<double>(M) * static_cast<double>(N) * static_cast<double>(K)});
  return true;
}

namespace {

std::int64_t bytes_of(const c10::IValue& value) {
  if (value.isTensor()) return value.toTensor().defined() ? value.toTensor().nbytes() : 0;
  std::int64_t sum = 0;
  if (value.isTensorList())
    for (const at::Tensor& tensor : value.toTensorVector()) sum += tensor.nbytes();
  return sum;
}

std::string shape_of(const c10::IValue& value) {
  if (!value.isTensor() || !value.toTensor().defined()) return "";
  std::string out;
  for (const std::int64_t size : value.toTensor().sizes())
    out += (out.empty() ? "" : " x ") + std::to_string(size);
  return out;
}

// Which inputs an operator reads and which it writes; results it makes are written.
struct Operator {
  std::vector<std::size_t> read, written;
};
const std::map<std::string, Operator>& operators() {
  static const std::map<std::string, Operator> kKnown{
      {"aten::cat", {{0}, {}}},         {"aten::copy_", {{1}, {0}}},
      {"aten::zero_", {{}, {0}}},       {"aten::fill_", {{}, {0}}},
      {"aten::add_", {{0, 1}, {0}}},    {"aten::sub_", {{0, 1}, {0}}},
      {"aten::mul_", {{0, 1}, {0}}},    {"aten::add", {{0, 1}, {}}},
      {"aten::sub", {{0, 1}, {}}},      {"aten::mul", {{0, 1}, {}}},
      {"aten::rsub", {{0}, {}}},        {"aten::div", {{0, 1}, {}}},
      {"aten::clamp", {{0}, {}}},       {"aten::reciprocal", {{0}, {}}},
      {"aten::sum", {{0}, {}}},         {"aten::sqrt", {{0}, {}}},
      {"aten::sort", {{0}, {}}},        {"aten::_foreach_copy_", {{1}, {0}}},
      {"aten::addmm", {{0, 1, 2}, {}}}, {"aten::mm", {{0, 1}, {}}},
      {"aten::bmm", {{0, 1}, {}}},      {"aten::_foreach_add_", {{0}, {0}}},
  };
  return kKnown;
}

// Those that launch nothing by themselves: views, memory, questions, and what calls others above.
const std::set<std::string>& silent_operators() {
  static const std::set<std::string> kSilent{"aten::empty",
                                             "aten::empty_like",
                                             "aten::empty_strided",
                                             "aten::view",
                                             "aten::select",
                                             "aten::transpose",
                                             "aten::flatten",
                                             "aten::reshape",
                                             "aten::narrow",
                                             "aten::slice",
                                             "aten::as_strided",
                                             "aten::unsqueeze",
                                             "aten::squeeze",
                                             "aten::t",
                                             "aten::expand",
                                             "aten::to",
                                             "aten::_to_copy",
                                             "aten::contiguous",
                                             "aten::clone",
                                             "aten::detach",
                                             "aten::zeros",
                                             "aten::unbind",
                                             "aten::alias",
                                             "aten::_reshape_alias",
                                             "aten::resolve_conj",
                                             "aten::resolve_neg",
                                             "aten::unflatten",
                                             "aten::permute",
                                             "aten::zeros_like",
                                             "aten::result_type",
                                             "aten::chunk",
                                             "aten::split",
                                             "aten::is_same_size",
                                             "aten::_unsafe_view",
                                             "aten::view_as",
                                             "aten::item",
                                             "aten::_local_scalar_dense",
                                             "aten::set_",
                                             "aten::resize_",
                                             "aten::lift_fresh",
                                             "aten::from_blob",
                                             "aten::expand_as",
                                             "aten::matmul"};
  return kSilent;
}

constexpr char kAttention[] = "aten::_scaled_dot_product_flash_attention_for_cpu";
constexpr char kAttentionBackward[] = "aten::_scaled_dot_product_flash_attention_for_cpu_backward";

// The CPU's kernel stands for FlashAttention-2: one kernel forward; backward the sums of dy * y,
// which also clears the float32 sums of dq; the gradients, which read and write those sums; and
// their conversion. A causal product has half of its FLOPs. q is (B, H, T, D).
void record_attention(const at::RecordFunction& call, bool backward) {
  const at::Tensor q = call.inputs()[backward ? 1 : 0].toTensor();
  const std::int64_t tokens = q.size(0) * q.size(2), one = q.nbytes(), real = q.numel() * 4;
  const std::int64_t sums = tokens * q.size(1) * 4;
  const double product = static_cast<double>(tokens) * static_cast<double>(q.size(2)) *
                         static_cast<double>(q.size(1) * q.size(3));
  const std::string shape = shape_of(q);
  if (!backward) {
    record("attention", shape, {1, 3 * one, one + sums, 2 * product});
    return;
  }
  record("attention backward: sums", shape, {1, 2 * one, sums + real, 0});
  record("attention backward", shape, {1, 4 * one + 2 * sums + real, 2 * one + real, 5 * product});
  record("attention backward: dq", shape, {1, real, one, 0});
}

// Of whole products, since those of plain attention leave nothing out.
double flops_of(const at::RecordFunction& call, const std::string& name) {
  if (name != "aten::bmm") return 0;
  const at::Tensor a = call.inputs()[0].toTensor(), b = call.inputs()[1].toTensor();
  return 2.0 * static_cast<double>(a.numel()) * static_cast<double>(b.size(2));
}

// What is known before an operator runs; its results come after.
struct Running : at::ObserverContext {
  Launch launch{.launches = 1};
  std::string shape;
  bool makes_results = false;
};

std::unique_ptr<at::ObserverContext> before_operator(const at::RecordFunction& call) {
  if (!recorder.on) return nullptr;
  const std::string name = call.name();
  const bool attention = name == kAttention || name == kAttentionBackward;
  const auto known = operators().find(name);
  if (!attention && known == operators().end()) {
    if (recorder.depth > 0 || silent_operators().count(name)) return nullptr;
    std::fprintf(stderr, "traffic_launches: what does %s launch?\n", name.c_str());
    std::exit(1);
  }
  auto running = std::make_unique<Running>();
  if (recorder.depth++ > 0) return running;
  if (attention) {
    record_attention(call, name == kAttentionBackward);
    return running;
  }
  const auto& [read, written] = known->second;
  for (const std::size_t i : read) running->launch.read += bytes_of(call.inputs()[i]);
  for (const std::size_t i : written) running->launch.written += bytes_of(call.inputs()[i]);
  running->launch.flops = flops_of(call, name);
  running->makes_results = written.empty();
  running->shape = shape_of(call.inputs()[0]);
  return running;
}

void after_operator(const at::RecordFunction& call, at::ObserverContext* context) {
  if (!context || --recorder.depth > 0 || !operators().count(call.name())) return;
  auto* running = static_cast<Running*>(context);
  if (running->makes_results)
    for (const c10::IValue& result : call.outputs()) running->launch.written += bytes_of(result);
  record(call.name(), running->shape, running->launch);
}

void run(const std::vector<std::string>& argument) {
  TrainConfig config;
  const auto number = [&](std::size_t i) { return std::stoll(argument.at(i)); };
  config.model.n_layer = number(0), config.model.n_head = number(1);
  config.model.n_embd = number(2), config.model.head_chunk.value = number(6);
  config.model.bias = true;
  const std::string& attention = argument.at(8);
  config.model.dropout = attention == "none" ? 0 : 0.1;
  config.memory.recompute = argument.at(7);
  if (attention != "none")
    set_device_choices(DeviceChoices{.tiled_attention = attention == "tiled"});
  const std::int64_t vocabulary = number(3), tokens = number(4), sequences = number(5);
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(1);
  Gpt model(config.model, vocabulary, tokens, generator);
  const auto engine = make_tensor_engine(config, model, {at::kCPU, at::kBFloat16});
  std::vector<at::Tensor> parameters;
  for (const Parameter& p : model.parameters()) parameters.push_back(p.tensor);
  AdamW optimizer(parameters, config.optimizer);
  const DropoutState dropout{.on = config.model.dropout > 0,
                             .p = config.model.dropout,
                             .seed = 1,
                             .step = 0,
                             .sequence_B = at::arange(sequences)};
  const at::Tensor skip = at::zeros({}), factor = at::ones({});
  const at::Tensor x = at::randint(vocabulary, {sequences, tokens}, generator, at::kLong);
  const auto callback = at::RecordFunctionCallback(before_operator, after_operator)
                            .needsInputs(true)
                            .needsOutputs(true)
                            .scopes({at::RecordScope::FUNCTION});
  at::addGlobalCallback(callback);
  for (const bool on : {false, true}) {  // the first step makes what stays
    for (const Parameter& p : model.parameters()) p.tensor.mutable_grad() = at::Tensor();
    recorder.on = on;
    engine->accumulate(x, x, {}, dropout);
    optimizer.gradient_norm();
    optimizer.step(1e-3, skip, factor);
    engine->weights_changed();
    recorder.on = false;
  }
  for (const auto& [key, launch] : recorder.all)
    std::printf("%s\t%s\t%lld\t%lld\t%lld\t%.0f\n", key.first.c_str(), key.second.c_str(),
                static_cast<long long>(launch.launches), static_cast<long long>(launch.read),
                static_cast<long long>(launch.written), launch.flops);
}

}  // namespace

}  // namespace gpt

int main(int count, char** argument) {
  try {
    if (count != 10)
      throw std::invalid_argument("nine arguments, see the first lines of the source");
    gpt::run({argument + 1, argument + count});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "traffic_launches: %s\n", error.what());
    return 1;
  }
  return 0;
}
