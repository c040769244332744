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
packages_folder=$venv/lib/python3.11/site-packages # Python 3.11's wheels, whatever Python is here
torch=$packages_folder/torch
extras=$GPTTRAIN_CACHE/extras              # Python packages that only tests compare with
vocabulary=$GPTTRAIN_CACHE/gpt2.tiktoken # where the program looks for it, too

# What scripts/setup brings where the system's CMake is too old.
own_cmake=$GPTTRAIN_CACHE/cmake
[[ ! -x $own_cmake/cmake/data/bin/cmake ]] || PATH=$own_cmake/cmake/data/bin:$PATH

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

# compiler_flags: sets `compiler` to what CMake needs to be told, g++ 12 where the system's own is older.
compiler_flags() {
  local version
  compiler=()
  [[ -z ${CXX:-} ]] && command -v g++-12 >/dev/null || return 0
  version=$(c++ -dumpversion 2>/dev/null) || version=0 # none at all
  ((${version%%.*} >= 12)) || compiler=(-DCMAKE_CXX_COMPILER=g++-12 -DCMAKE_CUDA_HOST_COMPILER=g++-12)
}

# configure PRESET [cmake flags...]: quiet, except for what the configuration decided.
configure() {
  local preset=$1 log=$root/build/$1-configure.log
  shift
  mkdir -p "$root/build"
  compiler_flags
  (cd "$root" && cmake --preset "$preset" -DGPTTRAIN_TORCH="$torch" ${compiler[@]+"${compiler[@]}"} "$@") \
    >"$log" 2>&1 || {
    cat "$log" >&2
    fail 1 "cmake could not configure the preset '$preset' (its output is above)"
  }
  sed -n "s/^-- gpttrain: /${0##*\/}: $preset: /p" "$log"
}

# configure_release [all]: kernels for the cards that are here, or for all that there are; none where no
# driver is, since they could not run.
configure_release() {
  local flags=(-DGPTTRAIN_CUDA=ON) architectures
  if wants_cuda; then
    architectures=$(card_architectures)
    if [[ -n $architectures && ${1:-} != all ]]; then
      flags+=(-DGPTTRAIN_CUDA_ARCHITECTURES="$architectures")
    else
      flags+=(-U GPTTRAIN_CUDA_ARCHITECTURES) # the list in scripts/cmake/Cuda.cmake
    fi
    configure release "${flags[@]}"
    return
  fi
  [[ ${GPTTRAIN_CUDA:-AUTO} == OFF ]] ||
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

source "$root/scripts/machine.sh"
