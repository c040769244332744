# Sourced by scripts/setup, scripts/quickstart and scripts/test: where things are, and how to speak.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

# Everything that is installed or cached lives in this one folder, outside the clone.
if [[ -z ${GPTTRAIN_CACHE:-} ]]; then
  [[ -n ${XDG_CACHE_HOME:-}${HOME:-} ]] || {
    echo "${0##*/}: neither HOME nor GPTTRAIN_CACHE is set; set GPTTRAIN_CACHE to a folder with 7 GB free" >&2
    exit 2
  }
  GPTTRAIN_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/gpttrain
fi
mkdir -p "$GPTTRAIN_CACHE" || exit 2
GPTTRAIN_CACHE=$(cd "$GPTTRAIN_CACHE" && pwd -P)
export GPTTRAIN_CACHE

venv=$GPTTRAIN_CACHE/venv
torch=$venv/lib/python3.11/site-packages/torch
extras=$GPTTRAIN_CACHE/extras              # Python packages that only tests compare with
vocabulary=$GPTTRAIN_CACHE/gpt2.tiktoken # where the program looks for it, too

# text_of_headers PYTHON FILE: writes the text that scripts take when none is named: the C++ headers of
# PYTHON's LibTorch that were written by hand (7 MB), one after the other. Every machine that runs the
# scripts has them.
text_of_headers() {
  local package
  package=$("$1" -c 'import importlib.util as u; print(*u.find_spec("torch").submodule_search_locations)' 2>/dev/null) ||
    fail 1 "$1 has no PyTorch, whose headers are the text; name a text of your own"
  find "$package/include/c10" "$package/include/torch/csrc" -name '*.h' -type f -print0 |
    LC_ALL=C sort -z | xargs -0 cat >"$2"
}

say() { printf '%s: %s\n' "${0##*/}" "$*"; }

# fail CODE MESSAGE: 2 where the user can put it right, 1 for everything else.
fail() {
  printf '%s: %s\n' "${0##*/}" "$2" >&2
  exit "$1"
}

# configure PRESET [cmake flags...]: quiet, except for what the configuration decided.
configure() {
  local preset=$1 log=$root/build/$1-configure.log
  shift
  mkdir -p "$root/build"
  (cd "$root" && cmake --preset "$preset" -DGPTTRAIN_TORCH="$torch" "$@") >"$log" 2>&1 || {
    cat "$log" >&2
    fail 1 "cmake could not configure the preset '$preset' (its output is above)"
  }
  sed -n "s/^-- gpttrain: /${0##*\/}: $preset: /p" "$log"
}

# Where there is no driver, no kernel can run: compiling them for four architectures would only be waited for.
configure_release() {
  local file
  for file in /proc/driver/nvidia/version /dev/nvidiactl /dev/dxg; do
    if [[ -e $file ]]; then
      configure release -DGPTTRAIN_CUDA=AUTO
      return
    fi
  done
  say "no NVIDIA driver is here, so the program is built for the CPU alone; start again once there is one"
  configure release -DGPTTRAIN_CUDA=OFF
}

# build PRESET [TARGET...]: through cmake, so that CMAKE_BUILD_PARALLEL_LEVEL is heard.
build() {
  local preset=$1
  shift
  (cd "$root" && cmake --build --preset "$preset" --target "${@:-all}") ||
    fail 1 "the preset '$preset' does not build (the compiler's words are above)"
}
