# Sourced by scripts/common.sh: which system, NVIDIA driver and cards are here. A test names a folder that
# stands for / in GPTTRAIN_SYSTEM_ROOT.
system_root=${GPTTRAIN_SYSTEM_ROOT:-}
kDriver=580 # of CUDA 13

# As /etc/os-release has it: "debian 12", "ubuntu 24.04"; "unknown" without that file.
distribution() (
  ID=unknown VERSION_ID=
  if [[ -r $system_root/etc/os-release ]]; then source "$system_root/etc/os-release"; fi
  printf '%s\n' "$ID${VERSION_ID:+ $VERSION_ID}"
)

# Windows passes its own driver into WSL2.
is_wsl() { [[ -e $system_root/dev/dxg ]]; }

has_driver() {
  if is_wsl; then
    [[ -e $system_root/usr/lib/wsl/lib/libcuda.so.1 ]]
  else
    [[ -e $system_root/proc/driver/nvidia/version || -e $system_root/dev/nvidiactl ]]
  fi
}

# Is a card of NVIDIA on the bus, with or without a driver? WSL2 does not show it.
has_card() {
  local device
  for device in "$system_root"/sys/bus/pci/devices/*; do
    [[ -r $device/vendor && $(<"$device/vendor") == 0x10de && $(<"$device/class") == 0x03* ]] && return
  done
  return 1
}

# nvidia_smi FIELD: of each card, a line.
nvidia_smi() {
  local program=nvidia-smi
  command -v "$program" >/dev/null || program=$system_root/usr/lib/wsl/lib/nvidia-smi
  "$program" --query-gpu="$1" --format=csv,noheader 2>/dev/null
}

# "580.95.05", or "" where nothing says it.
driver_version() {
  local words
  words=$(nvidia_smi driver_version) || words=
  [[ $words =~ ^[0-9]+\.[0-9.]+ ]] || words=$(cat "$system_root/proc/driver/nvidia/version" 2>/dev/null) || words=
  [[ $words =~ [0-9]{3,}\.[0-9.]+ ]] && echo "${BASH_REMATCH[0]}"
  return 0
}

# What CMake is to compile for, so that the cards which are here run it: "86-real;120". "" where nvidia-smi
# does not say. CUDA 13 knows no card before 7.5, and cards yet to come compile what is there as PTX.
card_architectures() {
  local capability number
  { nvidia_smi compute_cap || true; } | while read -r capability; do
    [[ $capability =~ ^([0-9]+)\.([0-9])$ ]] || continue
    number=${BASH_REMATCH[1]}${BASH_REMATCH[2]}
    if ((number > 121)); then
      echo 120
    elif ((number >= 75)); then
      echo "$number-real"
    fi
  done | sort -nu | paste -sd ';'
}

# Who wants CUDA: GPTTRAIN_CUDA is ON or OFF; without it a driver decides.
wants_cuda() {
  case ${GPTTRAIN_CUDA:-AUTO} in
    ON) return 0 ;;
    OFF) return 1 ;;
    AUTO) has_driver ;;
    *) fail 2 "GPTTRAIN_CUDA is '$GPTTRAIN_CUDA'; it may be ON, OFF or AUTO" ;;
  esac
}

driver_advice() {
  if is_wsl; then
    echo "update NVIDIA's driver in Windows to $kDriver or later (inside WSL2 none is installed), then 'wsl --shutdown'"
  elif [[ $(distribution) == ubuntu* ]]; then
    echo "install driver $kDriver or later (sudo apt-get install nvidia-driver-$kDriver) and restart the machine"
  else
    echo "install NVIDIA's driver, $kDriver or later (Debian's own is older; NVIDIA has packages for it), and restart the machine"
  fi
}

# A card that cannot be used ends here, before anything is installed: the CPU is taken only where there is
# no card, or where it was asked for.
need_usable_card() {
  local version
  [[ ${GPTTRAIN_CUDA:-AUTO} == AUTO ]] || return 0
  if has_driver; then
    version=$(driver_version)
    [[ -z $version ]] || ((${version%%.*} >= kDriver)) ||
      fail 2 "the NVIDIA driver here is $version; $(driver_advice). Or train on the CPU: --device=cpu"
  elif has_card; then
    fail 2 "an NVIDIA card is here, but no driver; $(driver_advice). Or train on the CPU: --device=cpu"
  fi
}
