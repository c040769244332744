#include "gpt/data/prefetcher.h"

#include "run.h"

namespace gpt {
namespace {

using GpuPrefetcher = testing::Gpu;

// The copies run on a stream of their own; a kernel queued right after take() must see them whole,
// and their memory must not be given away while it reads.
TEST_F(GpuPrefetcher, BatchesArriveWholeWhileTheDeviceIsBusy) {
  const testing::TempDir dir;
  testing::write_tokens(dir / "tokens.bin", testing::made_up_tokens(0, 200000));
  const TokenFile file(dir / "tokens.bin", 1024, 61);
  Prefetcher feed(1024, cuda_);
  const at::Tensor busy = at::ones({4096, 4096}, at::TensorOptions().device(cuda_));
  at::Tensor sum = at::zeros({}, busy.options().dtype(at::kLong));
  std::int64_t expected = 0;
  for (int step = 0; step < 30; ++step) {
    const at::Tensor offsets = at::arange(step, step + 16) * 997;
    feed.request(file, offsets, 8);
    for (int piece = 0; piece < 2; ++piece) {
      at::mm(busy, busy);  // the device is behind the host
      const Batch batch = feed.take();
      sum += batch.x_BT.sum() + 3 * batch.y_BT.sum();
      const Batch host = make_batch(file, offsets.narrow(0, 8 * piece, 8), 0, 1024, at::kCPU);
      expected += host.x_BT.sum().item<std::int64_t>() + 3 * host.y_BT.sum().item<std::int64_t>();
    }
  }
  EXPECT_EQ(sum.item<std::int64_t>(), expected);
}

}  // namespace
}  // namespace gpt
