#include "kernels/cuda/backend.h"

#include "gpt/device/graph.h"

#include "emulated.h"
#include "kernels/cuda/matmul_backend.h"

namespace gpt {

namespace {
bool on = false;
}

namespace testing {
int graph_replays = 0;
bool refuse_graphs = false;

Emulated::Emulated() {
  on = true;
}
Emulated::~Emulated() {
  on = false;
}
}  // namespace testing

// Instead of src/kernels/cuda/backend_*.cpp, which the linker then leaves out.
bool has_kernels(const at::Tensor& tensor) {
  return on && tensor.is_cpu();
}

void run_kernel(const at::Tensor&, c10::function_ref<int(void* stream)> launch) {
  const int status = launch(nullptr);
  TORCH_CHECK(status == 0, "emulated CUDA: error ", status);
}

namespace {

// Without memory of its own, as cuBLASLt.
template <class In, class Out>
void multiply_as(const MatmulArgs& product) {
  const In* a = product.a.const_data_ptr<In>();
  const In* b = product.b.const_data_ptr<In>();
  Out* out = product.out.mutable_data_ptr<Out>();
  const std::int64_t rows = product.out.size(0), columns = product.out.size(1);
  const std::int64_t inner = product.a.size(product.transpose_a ? 0 : 1);
  const std::int64_t a_stride = product.a.stride(0), b_stride = product.b.stride(0);
  const std::int64_t a_row = product.transpose_a ? 1 : a_stride,
                     a_k = product.transpose_a ? a_stride : 1;
  const std::int64_t b_column = product.transpose_b ? b_stride : 1,
                     b_k = product.transpose_b ? 1 : b_stride;
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t column = 0; column < columns; ++column) {
      Out& result = out[row * product.out.stride(0) + column];
      float sum = product.accumulate ? static_cast<float>(result) : 0;
      if (product.bias.defined())
        sum += static_cast<float>(product.bias.const_data_ptr<In>()[column]);
      for (std::int64_t k = 0; k < inner; ++k)
        sum += static_cast<float>(a[row * a_row + k * a_k]) *
               static_cast<float>(b[column * b_column + k * b_k]);
      result = static_cast<Out>(sum);
    }
}

template <class In>
void multiply_into(const MatmulArgs& product) {
  product.out.scalar_type() == at::kFloat ? multiply_as<In, float>(product)
                                          : multiply_as<In, In>(product);
}

}  // namespace

// Instead of src/kernels/cuda/matmul_*.cpp.
bool multiplies(const at::Tensor& factor) {
  return on && factor.is_cpu() &&
         (factor.scalar_type() == at::kBFloat16 || factor.scalar_type() == at::kHalf);
}

bool multiply(const MatmulArgs& product) {
  product.a.scalar_type() == at::kHalf ? multiply_into<at::Half>(product)
                                       : multiply_into<at::BFloat16>(product);
  return true;
}

namespace {

// Replays by running again: whatever the work reads must lie where it lay.
class EmulatedGraph : public DeviceGraph {
 public:
  explicit EmulatedGraph(std::function<void()> run) : run_(std::move(run)) {}
  void replay() override {
    ++testing::graph_replays;
    run_();
  }

 private:
  std::function<void()> run_;
};

class EmulatedGraphs : public DeviceGraphs {
 public:
  std::unique_ptr<DeviceGraph> capture(const std::function<void()>& run) override {
    TORCH_CHECK(!testing::refuse_graphs, "planted");
    return std::make_unique<EmulatedGraph>(run);
  }
};

}  // namespace

bool DeviceGraphs::supported(const c10::Device&) {
  return on;
}

std::unique_ptr<DeviceGraphs> DeviceGraphs::make(const c10::Device&) {
  return std::make_unique<EmulatedGraphs>();
}

}  // namespace gpt
