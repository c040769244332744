"""What a product of matrices reaches on this CPU, in FLOP/s: the yardstick of shares and bounds.

    gemm_rate.py DTYPE THREADS     two 1024 x 1024 matrices (0 threads: PyTorch's own choice)
"""

import sys
import threading
import time

import torch

SIZE = 1024


def ways(dtype):
    """The products that LibTorch has: its own choice, and oneDNN's, faster on some CPUs."""
    yield lambda a, b, out: torch.mm(a, b.t(), out=out)
    linear = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    # oneDNN refuses bfloat16 on a CPU without instructions for it.
    if linear and (dtype is torch.float32 or torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        yield lambda a, b, out: linear(a, b, None, "none", [], "")


def best_time(work, seconds):
    """The fastest of the calls that fit into `seconds`, at least three."""
    work()
    best, until, calls = float("inf"), time.perf_counter() + seconds, 0
    while calls < 3 or time.perf_counter() < until:
        before = time.perf_counter()
        work()
        best, calls = min(best, time.perf_counter() - before), calls + 1
    return best


def together(product, rows, inner, columns, dtype, seconds):
    """One product, all threads on it."""
    a, b = torch.randn(rows, inner).to(dtype), torch.randn(columns, inner).to(dtype)
    out = torch.empty(rows, columns, dtype=dtype)
    return 2 * rows * inner * columns / best_time(lambda: product(a, b, out), seconds)


def apart(product, rows, inner, columns, dtype, threads, seconds):
    """Each thread a product of its own of that many rows."""
    times = []

    def work():
        torch.set_num_threads(1)
        a, b = torch.randn(rows, inner).to(dtype), torch.randn(columns, inner).to(dtype)
        out = torch.empty(rows, columns, dtype=dtype)
        times.append(best_time(lambda: product(a, b, out), seconds))

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    torch.set_num_threads(threads)
    return sum(2 * rows * inner * columns / t for t in times)


def rate(rows, inner, columns, dtype, seconds=0.1):
    """The best of all ways to compute a (rows, inner) x (inner, columns) product."""
    threads = torch.get_num_threads()
    found = []
    for product in ways(dtype):
        found.append(together(product, rows, inner, columns, dtype, seconds))
        if threads > 1 and rows >= threads:
            found.append(apart(product, rows // threads, inner, columns, dtype, threads, seconds))
    return max(found)


def main(arguments):
    dtype, threads = arguments
    if int(threads):
        torch.set_num_threads(int(threads))
    print(rate(SIZE, SIZE, SIZE, getattr(torch, dtype), seconds=0.3))


if __name__ == "__main__":
    main(sys.argv[1:])
