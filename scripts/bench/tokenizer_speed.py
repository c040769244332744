"""Times tiktoken and tokenizer_bench on the same files, in turns; see scripts/bench/tokenizer."""
import pathlib
import subprocess
import sys
import time

import numpy
import tiktoken
import tiktoken.load
from tiktoken_ext.openai_public import r50k_pat_str


def gpttrain(program, file, ids_file):
    """Ids and seconds of the second of two passes: the first meets most words for the first time."""
    done = subprocess.run([program, file, ids_file, "2"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"tokenizer: {done.stderr}")
    first, second = map(float, done.stdout.split())
    return numpy.fromfile(ids_file, dtype=numpy.int32), first, second


def timed(function):
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start


def measure(program, encoding, file, ids_file, rounds):
    data = pathlib.Path(file).read_bytes()
    text = data.decode("utf-8", "ignore")  # tiktoken takes UTF-8 alone; so do both
    pathlib.Path(ids_file + ".txt").write_bytes(text.encode())
    first, second, tiktoken_seconds = [], [], []
    for _ in range(rounds):
        ours, *seconds = gpttrain(program, ids_file + ".txt", ids_file)
        first.append(seconds[0])
        second.append(seconds[1])
        theirs, seconds = timed(lambda: encoding.encode_ordinary(text))
        tiktoken_seconds.append(seconds)
        if not numpy.array_equal(ours, numpy.array(theirs, dtype=numpy.int32)):
            sys.exit(f"tokenizer: {file}: the ids differ")
    megabytes = len(text.encode()) / 1e6
    rates = [megabytes / min(seconds) for seconds in (first, second, tiktoken_seconds)]
    print(f"{pathlib.Path(file).name:<24} {megabytes:8.2f} {megabytes * 1e6 / len(ours):8.2f} "
          f"{rates[0]:8.1f} {rates[1]:8.1f} {rates[2]:8.1f} {rates[1] / rates[2]:8.1f}", flush=True)


def main():
    program, vocabulary, ids_file, rounds, *files = sys.argv[1:]
    encoding = tiktoken.Encoding(
        "gpt2", pat_str=r50k_pat_str, mergeable_ranks=tiktoken.load.load_tiktoken_bpe(vocabulary),
        special_tokens={"<|endoftext|>": 50256})
    cpu = [line.partition(": ")[2] for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
           if line.startswith("model name")]
    print(f"{cpu[0] if cpu else 'unknown CPU'}, one thread, best of {rounds}; "
          f"MB/s of gpttrain (first pass, then warm) and of tiktoken {tiktoken.__version__}")
    print(f"{'file':<24} {'MB':>8} {'B/token':>8} {'first':>8} {'warm':>8} {'tiktoken':>8} {'ratio':>8}")
    for file in files:
        measure(program, encoding, file, ids_file, int(rounds))
    print("every id is the same")


main()
