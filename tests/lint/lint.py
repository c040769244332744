"""The rules of the project that a compiler does not check. Usage: lint.py CHECK --root DIR [...].

Each check returns its complaints as `file:line: what, what to do`; none means that it passed.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

# An include may only point to a lower layer; modules on one layer do not include each other.
LAYERS = {
    "base": 0,
    "config": 1, "text": 1, "formats": 1, "metrics": 1,
    "dataprep": 2, "eval": 2, "data": 2, "device": 2, "parallel": 2,
    "kernels": 3,
    "model": 4, "optim": 4,
    "checkpoint": 5, "interop": 5, "memory": 5, "probe": 5, "sampling": 5,
    "train": 6,
    "app": 7,
}
# Folders of tests that look into several modules.
TESTS_OF = {"emulation": ("device", "kernels"), "fake_cuda": ("device", "kernels"),
            "traffic": ("kernels",)}  # fmt: skip
TORCH_FREE = {module for module, layer in LAYERS.items() if layer <= 1} | {"dataprep", "eval"}

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
TORCH_INCLUDE = re.compile(r"^(ATen|c10|torch|caffe2)/")
TORCH_SYMBOL = re.compile(r"\b(at|c10|torch)::")
DOCUMENT_FOLDERS = ("configs", "include", "scripts", "src", "tests")
OUTSIDE = re.compile(r"\$\{?root\}?/\.\./|\bROOT\.parent\b")  # the folder that holds the clone
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)[^)]*\)")


def code_files(root):
    for folder in ("include", "src", "tests", "scripts"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".h", ".cpp", ".cu", ".cuh"):
                yield path


def module_of(root, path):
    """include/gpt/MODULE/x.h, src/MODULE/x.cpp and tests/MODULE/x_test.cpp belong to MODULE."""
    parts = path.relative_to(root).parts
    if parts[0] == "include":
        parts = parts[1:]
    return parts[1] if len(parts) > 2 else ""


def includes(path):
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match[1] == '"', match[2]


def layer_complaint(module, target):
    lower = LAYERS.get(target.split("/")[1])
    if lower is None:
        return f"'{target}' is in no known module; add the module to LAYERS in tests/lint/lint.py"
    if module == target.split("/")[1] or module not in LAYERS or lower < LAYERS[module]:
        return None
    return (f"module '{module}' (layer {LAYERS[module]}) includes '{target}' (layer {lower}); "
            "an include may only point to a lower layer: move the shared part down")


def local_include(root, path, module, target):
    """Private headers are for their own module, its tests included; tests/support is for all tests."""
    own = TESTS_OF.get(module, (module,))
    first = target.split("/")[0]
    if first in LAYERS:
        return first in own
    if "/" not in target or first in (module, "support"):
        return True
    place = (path.parent / target).resolve()
    return any((root / "src" / name).resolve() in place.parents for name in own)


def check_layers(root):
    complaints = []
    for path in code_files(root):
        module = module_of(root, path)
        in_source = path.relative_to(root).parts[0] in ("include", "src")
        if in_source and module not in LAYERS:
            complaints.append(f"{path}:1: '{module}' is no known module; see LAYERS in tests/lint/lint.py")
            continue
        for number, quoted, target in includes(path):
            complaint = None
            if target.startswith("gpt/"):
                complaint = layer_complaint(module, target)
            elif quoted and not local_include(root, path, module, target):
                complaint = f"'{target}' reaches into another module; include its gpt/ header instead"
            elif quoted and in_source and target.startswith("support/"):
                complaint = f"'{target}' is a helper of the tests; sources may not include it"
            if complaint:
                complaints.append(f"{path}:{number}: {complaint}")
    return complaints


def library_complaint(root, path, target):
    name = path.relative_to(root).as_posix()
    header = path.suffix in (".h", ".cuh")
    if TORCH_INCLUDE.match(target) and module_of(root, path) in TORCH_FREE:
        return f"module '{module_of(root, path)}' is free of Torch, but includes '{target}'"
    if target.startswith(("spdlog/", "fmt/")) and name != "src/base/log.cpp":
        return f"'{target}' may only be included by src/base/log.cpp (its fmt is not Torch's)"
    if header and target.startswith(("nlohmann/", "CLI/")) and target != "nlohmann/json_fwd.hpp":
        return f"'{target}' in a header costs every includer seconds; include it in the .cpp"
    if path.suffix == ".cu" and TORCH_INCLUDE.match(target):
        return f"a .cu file is C++17 and may not include '{target}'; pass plain pointers and sizes"
    return None


def check_libraries(root):
    """Which third-party headers may be included where."""
    complaints = []
    for path in code_files(root):
        for number, _, target in includes(path):
            complaint = library_complaint(root, path, target)
            if complaint:
                complaints.append(f"{path}:{number}: {complaint}")
    return complaints


def check_archives(archives, nm="nm"):
    """The built archives of the Torch-free modules ask the linker for nothing of LibTorch."""
    complaints = []
    for archive in archives:
        listing = subprocess.run([nm, "--demangle", "--undefined-only", archive], check=True,
                                 capture_output=True, text=True).stdout
        for symbol in sorted({line.strip() for line in listing.splitlines() if TORCH_SYMBOL.search(line)}):
            complaints.append(f"{archive}: is free of Torch, but needs '{symbol}'")
    return complaints


def documents(root):
    yield from sorted(root.glob("*.md"))
    for folder in DOCUMENT_FOLDERS:
        yield from sorted((root / folder).rglob("*.md"))


def prose(path):
    """The numbered lines outside of code blocks, without code between backticks."""
    inside = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.lstrip().startswith("```"):
            inside = not inside
        elif not inside and not line.startswith("    "):
            yield number, re.sub(r"`[^`]*`", "`code`", line)


def headings(path):
    """The names by which GitHub links to a document's headings."""
    names = set()
    for line in path.read_text(encoding="utf-8").splitlines():
        if re.match(r"#{1,6} ", line):
            words = re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower())
            names.add(words.replace(" ", "-"))
    return names


def link_complaint(root, path, target):
    place, _, heading = target.partition("#")
    file = (path.parent / place).resolve() if place else path
    if not file.is_relative_to(root.resolve()):
        return f"'{target}' leads out of the clone; a clone stands alone"
    if not file.exists():
        return f"'{target}' leads nowhere; links are relative to the file that holds them"
    if heading and file.suffix == ".md" and heading not in headings(file):
        return f"'{target}': {file.name} has no heading '#{heading}'"
    return None


def outside_paths(root):
    """Scripts that look for a file next to the clone, where nobody else has it."""
    for path in sorted((root / "scripts").rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                if OUTSIDE.search(line):
                    yield f"{path}:{number}: reaches out of the clone; a clone stands alone"


def check_links(root):
    """Every relative link of a document leads to a file of this clone, and to a heading of it."""
    complaints = list(outside_paths(root))
    for path in documents(root.resolve()):
        for number, line in prose(path):
            for target in LINK.findall(line):
                if re.match(r"[a-z]+:", target):
                    continue
                complaint = link_complaint(root, path, target)
                if complaint:
                    complaints.append(f"{path}:{number}: {complaint}")
    return complaints


def check_format(root, clang_format):
    files = [str(path) for path in code_files(root)]
    result = subprocess.run([clang_format, "--dry-run", "-Werror", "--style=file", *files],
                            capture_output=True, text=True, cwd=root)
    if result.returncode == 0:
        return []
    lines = [line for line in result.stderr.splitlines() if "error:" in line]
    return lines + [f"format them with: {clang_format} -i FILE..."]


def implements_templates(path, lines):
    """A template has to be whole in its header, however long it is."""
    return path.suffix in (".h", ".cuh") and any(line.lstrip().startswith("template <") for line in lines)


def long_functions(lines):
    """Relies on the format check: a body ends in a line of only `}`, as far indented as its start."""
    for end, line in enumerate(lines):
        if line.strip() != "}":
            continue
        indent = len(line) - 1
        start = end - 1
        while start > 0:
            text = lines[start]
            begins = len(text) - len(text.lstrip()) == indent and text.strip()
            if begins and not text.lstrip().startswith(("#", "//", "}  //")):
                break
            start -= 1
        if end - start + 1 > MAX_FUNCTION_LINES:
            yield start + 1, end - start + 1


def check_sizes(root):
    complaints = []
    for path in code_files(root):
        lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) > MAX_FILE_LINES and not implements_templates(path, lines):
            complaints.append(f"{path}:{MAX_FILE_LINES}: the file has {len(lines)} lines, {MAX_FILE_LINES} "
                              "are allowed; split it by noun")
        for start, length in long_functions(lines):
            complaints.append(f"{path}:{start}: the function has {length} lines, "
                              f"{MAX_FUNCTION_LINES} are allowed; name its parts")
        if path.suffix in (".h", ".cuh") and "#pragma once" not in lines:
            complaints.append(f"{path}:1: a header begins with #pragma once")
    return complaints


def stands_alone(root, path):
    """A header that its own source includes before anything else: the build compiles it alone."""
    module = path.parent.name
    source = root / "src" / module / f"{path.stem}.cpp"
    first = next(includes(source), None) if source.exists() else None
    return first is not None and first[2] == f"gpt/{module}/{path.name}"


def compile_alone(path, root, compiler):
    result = subprocess.run([compiler, "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-x", "c++",
                             "-I", str(root / "include"), "-include", str(path), "/dev/null"],
                            capture_output=True, text=True)
    return f"{path}:1: does not compile alone:\n{result.stderr}" if result.returncode != 0 else None


def check_headers(root, compiler):
    """Every public header of a Torch-free module compiles alone (a Torch header takes too long)."""
    headers = [path for module in sorted(TORCH_FREE)
               for path in sorted((root / "include/gpt" / module).glob("*.h"))
               if not stands_alone(root, path)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        complaints = pool.map(lambda path: compile_alone(path, root, compiler), headers)
        return [complaint for complaint in complaints if complaint]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("check", choices=["layers", "libraries", "archives", "format", "sizes", "headers", "links"])
    parser.add_argument("--root", type=pathlib.Path)
    parser.add_argument("--clang-format", default="clang-format-14")
    parser.add_argument("--compiler", default="c++")
    parser.add_argument("archives", nargs="*")
    args = parser.parse_args()
    complaints = {
        "layers": lambda: check_layers(args.root),
        "libraries": lambda: check_libraries(args.root),
        "archives": lambda: check_archives(args.archives),
        "format": lambda: check_format(args.root, args.clang_format),
        "sizes": lambda: check_sizes(args.root),
        "headers": lambda: check_headers(args.root, args.compiler),
        "links": lambda: check_links(args.root),
    }[args.check]()
    print("\n".join(complaints) or f"lint {args.check}: nothing to complain about")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
