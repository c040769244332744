"""Times `gpttrain prepare` next to what bounds it; see scripts/bench/prepare."""

import argparse
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import time

import sides

SYLLABLES = ("an ber con dal eth for gan hal in jo kal lem mor nan or pel qui ran sol ten un ver wis "
             "xan yor zel a e i o the to of and th st er ing").split()  # fmt: skip


def new_word(draw):
    return "".join(draw.choice(SYLLABLES) for _ in range(draw.randint(2, 4)))


def made_lines(draw):
    words = [new_word(draw) for _ in range(8000)]
    weights = [1 / rank for rank in range(1, len(words) + 1)]  # Zipf's law
    return [" ".join(draw.choices(words, weights, k=draw.randint(4, 14))).capitalize() + ".\n"
            for _ in range(20000)]


def write_text(path, source, size):
    """About `size` bytes of lines in random order; about one word in thirty was never seen before."""
    draw = random.Random(1337)
    lines = source.read_text().splitlines(keepends=True) if source else made_lines(draw)
    share = sum(len(line.split()) for line in lines) / len(lines) / 30
    written = 0
    with path.open("w") as file:
        while written < size:
            block = draw.choices(lines, k=2000)
            for i in range(int(share * len(block))):
                block[i] = f"{new_word(draw)} {block[i]}"
            draw.shuffle(block)
            written += file.write("".join(block))
    return path


class Bench:
    def __init__(self, options):
        self.options = options
        self.out = options.work / "dataset"
        self.text = write_text(options.work / "text.txt", options.text, options.mb * 1e6)
        self.short = options.work / "short.txt"
        self.short.write_text(self.text.read_text()[:20000])

    def timed(self, command):
        """Seconds and the peak of the memory, and what it said."""
        log = self.options.work / "log"
        with log.open("w") as output:
            start = time.perf_counter()
            child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
            _, status, usage = os.wait4(child.pid, 0)
            seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise RuntimeError(f"{log.read_text()}{command[0]} failed (see above)")
        return seconds, usage.ru_maxrss * 1024, log.read_text()

    def prepare(self, text, threads):
        shutil.rmtree(self.out, ignore_errors=True)
        found = self.timed([self.options.program, "prepare", "--tokenizer=gpt2", f"--out={self.out}",
                            f"--threads={threads}", text])  # fmt: skip
        self.meta = json.loads((self.out / "meta.json").read_text())
        return found[:2]

    def tokenizer(self):
        ids = self.options.work / "ids"
        said = self.timed([self.options.tokenizer_bench, self.text, ids, "1"])[2]
        ids.unlink()
        return float(said)

    def disk(self):
        """Writes as many bytes as the dataset has to the folder it was in, and syncs them."""
        block = bytes(1 << 20)
        size = sum((self.out / name).stat().st_size for name in ("train.bin", "val.bin"))
        path = self.options.work / "written"
        start = time.perf_counter()
        with path.open("wb", buffering=0) as file:
            for done in range(0, size, len(block)):
                file.write(block[: size - done])
            os.fsync(file.fileno())
        seconds = time.perf_counter() - start
        path.unlink()
        return seconds

    def measure(self):
        """Seconds by name, one a round, and bytes of memory at the peaks."""
        seconds = {name: [] for name in ("start", "tokenizer", "disk", *self.options.threads)}
        peaks, written = {}, set()
        for index in range(self.options.rounds):
            sides.tell(f"round {index + 1} of {self.options.rounds}")
            taken, peaks["start"] = self.prepare(self.short, 1)
            seconds["start"].append(taken)
            for threads in self.options.threads:
                taken, peak = self.prepare(self.text, threads)
                seconds[threads].append(taken)
                peaks[threads] = max(peak, peaks.get(threads, 0))
                written.add((self.meta["train_crc32c"], self.meta["val_crc32c"]))
            seconds["tokenizer"].append(self.tokenizer())
            seconds["disk"].append(self.disk())
        if len(written) != 1:
            raise RuntimeError("the tokens depend on the number of threads")
        return seconds, peaks


def rows_of(bench, seconds, peaks):
    size = bench.text.stat().st_size
    tokens = bench.meta["train_tokens"] + bench.meta["val_tokens"]
    start = statistics.median(seconds["start"])
    # What the text itself took; of a tiny one that is less than what the start varies by.
    work = {threads: [max(taken - start, 1e-3) for taken in seconds[threads]]
            for threads in bench.options.threads}

    def row(name, times, rate_of=None, **more):
        taken = statistics.median(rate_of or times)
        return {"name": name, "seconds": statistics.median(times), "mb_per_s": size / taken / 1e6,
                "tokens_per_s": tokens / taken, **more}

    rows = []
    for threads in bench.options.threads:
        # Of each round, whose runs were neighbours in time.
        ratios = [a / b for a, b in zip(work[bench.options.threads[0]], work[threads])]
        rows.append(row(f"prepare, {threads} thread{'s' if threads > 1 else ''}", seconds[threads],
                        work[threads], threads=threads, speed_up=statistics.median(ratios),
                        peak_bytes=peaks[threads]))  # fmt: skip
    rows.append(row("tokenizer alone, 1 thread", seconds["tokenizer"]))
    rows.append(row("writing the tokens", seconds["disk"]))
    return {"bytes": size, "tokens": tokens, "rounds": bench.options.rounds, "start_s": start,
            "start_peak_bytes": peaks["start"], "rows": rows,
            "seconds": {str(name): times for name, times in seconds.items()}}


def show(found):
    print(f"{found['bytes'] / 1e6:.0f} MB of text, {found['tokens']:,} tokens, medians of "
          f"{found['rounds']} rounds; starting the program takes {found['start_s']:.2f} s and "
          f"{found['start_peak_bytes'] / 2**20:.0f} MiB")
    print(f"{'':<28}{'seconds':>9}{'MB/s':>9}{'M tokens/s':>12}{'speed-up':>10}{'peak MiB':>10}")
    for row in found["rows"]:
        line = (f"{row['name']:<28}{row['seconds']:>9.2f}{row['mb_per_s']:>9.1f}"
                f"{row['tokens_per_s'] / 1e6:>12.2f}")
        if "threads" in row:
            line += f"{row['speed_up']:>10.2f}{row['peak_bytes'] / 2**20:>10.0f}"
        print(line)


def parse(arguments):
    parser = argparse.ArgumentParser(prog="scripts/bench/prepare")
    parser.add_argument("--program", required=True)
    parser.add_argument("--tokenizer-bench", required=True)
    parser.add_argument("--work", required=True, type=pathlib.Path)
    parser.add_argument("--mb", type=float, default=160)
    parser.add_argument("--threads", default=f"1,{os.cpu_count()}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--text", type=pathlib.Path)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args(arguments)
    try:
        options.threads = list(dict.fromkeys(int(n) for n in options.threads.split(",")))
    except ValueError:
        parser.error(f"--threads: expected numbers with commas between, got {options.threads}")
    if options.rounds < 1 or options.mb <= 0 or min(options.threads) < 1:
        parser.error("--rounds, --mb and --threads: expected numbers above 0")
    return options


def main(arguments):
    options = parse(arguments)
    bench = Bench(options)
    found = rows_of(bench, *bench.measure())
    show(found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except RuntimeError as failure:
        print(f"prepare: {failure}", file=sys.stderr)
        sys.exit(1)
