# Sourced by the scripts that measure: gpttrain, a Python with PyTorch, and a text.
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"

program=${GPTTRAIN_PROGRAM:-$root/build/release/gpttrain}
python=${GPTTRAIN_PYTHON:-$venv/bin/python}

# Installs what is missing and brings the program up to date: a stale one would be measured unnoticed.
make_sides_ready() {
  [[ -z ${GPTTRAIN_PYTHON:-} || -x $python ]] || fail 2 "GPTTRAIN_PYTHON=$python is no program"
  [[ -z ${GPTTRAIN_PROGRAM:-} || -x $program ]] || fail 2 "GPTTRAIN_PROGRAM=$program is no program"
  [[ -x $python && -n ${GPTTRAIN_PROGRAM:-} ]] || "$root/scripts/setup"
  if [[ -z ${GPTTRAIN_PROGRAM:-} ]]; then
    configure_release
    build release gpttrain
  fi
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
}

# require_text FILE: before anything is built; no FILE is fine, see settle_text.
require_text() {
  [[ -z $1 || -f $1 ]] || fail 2 "there is no text file '$1'"
}

# settle_text: sets $text, if it is empty, to a file of LibTorch's C++ headers. After make_sides_ready.
settle_text() {
  [[ -z $text ]] || return 0
  text=$work/headers.txt
  text_of_headers "$python" "$text"
}

# prepare_text FILE: writes the dataset $work/text with `gpttrain prepare`.
prepare_text() {
  "$program" prepare --tokenizer=char --out="$work/text" "$1" >"$work/prepare.log" 2>&1 || {
    cat "$work/prepare.log" >&2
    fail 1 "gpttrain prepare failed (its words are above)"
  }
}
