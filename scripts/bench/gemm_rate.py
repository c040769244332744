"""Prints the rate of a float32 or bfloat16 product of two 1024 x 1024 matrices, in FLOP/s.

    gemm_rate.py DTYPE THREADS     (0 threads: PyTorch's own choice)
"""

import statistics
import sys
import time

import torch

SIZE = 1024


def main(arguments):
    dtype, threads = arguments
    if int(threads):
        torch.set_num_threads(int(threads))
    a = torch.randn(SIZE, SIZE).to(getattr(torch, dtype))
    out = torch.mm(a, a)
    times = []
    for _ in range(30):
        before = time.perf_counter()
        torch.mm(a, a, out=out)
        times.append(time.perf_counter() - before)
    print(2 * SIZE**3 / statistics.median(times))


if __name__ == "__main__":
    main(sys.argv[1:])
