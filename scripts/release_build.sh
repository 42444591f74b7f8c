# Sourced by the scripts that run what is built: scripts/bench, scripts/soak.
# shellcheck shell=bash

# build_release ROOT NAME PROGRAM...: installs what is needed, and builds the release programs.
build_release() {
  local root=$1 name=$2
  shift 2
  "$root/scripts/setup"
  echo "$name: building build/release"
  # The compiler's cache stays inside the clone too, unless it has a place already.
  export CCACHE_DIR=${CCACHE_DIR:-$root/build/ccache}
  if [[ ! -f $root/build/release/build.ninja ]]; then
    (cd "$root" && cmake --preset release)
  fi
  cmake --build "$root/build/release" --target "$@"
}

# needs_build ARGUMENT...: whether these want programs that are not there already.
needs_build() {
  local argument
  for argument in "$@"; do
    case $argument in
      --bin | --bin=* | -h | --help) return 1 ;;
    esac
  done
}
