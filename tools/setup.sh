# Sourced by run, test and .ci/run: finds out what is missing and installs it with one call of apt-get. Nothing runs as root when
# all is there. What counts is whether the thing is there, not whether a package brought it.

say() { printf 'firesteel: %s\n' "$*" >&2; }
die() { say "$@"; exit 1; }

has_header() {  # in the folders that compilers search
  local folder
  for folder in /usr/include /usr/local/include "/usr/include/$(uname -m)-linux-gnu"; do
    [ -e "$folder/$1" ] && return 0
  done
  return 1
}

has_command() { command -v "$1" >/dev/null 2>&1; }

# package, and the test that says whether it is needed
missing_for_build() {
  has_command g++ || echo g++
  has_command cmake || echo cmake
  has_command ninja || echo ninja-build
  has_header fmt/format.h || echo libfmt-dev
  has_header nlohmann/json.hpp || echo nlohmann-json3-dev
  has_header CLI/CLI.hpp || echo libcli11-dev
  has_header utf8proc.h || echo libutf8proc-dev
  has_header boost/asio.hpp || echo libboost-dev
  has_header openssl/ssl.h || echo libssl-dev
  has_header sqlite3.h || echo libsqlite3-dev
  has_header sodium.h || echo libsodium-dev
  has_header toml++/toml.h || echo libtomlplusplus-dev
  has_header zstd.h || echo libzstd-dev
  has_header jpeglib.h || echo libjpeg-dev
  has_header png.h || echo libpng-dev
  has_header zlib.h || echo zlib1g-dev
  has_header webp/decode.h || echo libwebp-dev
}

missing_for_tests() {
  missing_for_build
  has_header gtest/gtest.h || echo libgtest-dev
  has_command python3 || echo python3
}

missing_for_full_tests() {
  missing_for_tests
  has_command clang++ || echo clang
  has_command aarch64-linux-gnu-g++ || echo g++-aarch64-linux-gnu
  has_command qemu-aarch64 || echo qemu-user
  [ -e /usr/src/googletest/CMakeLists.txt ] || echo googletest
  [ -d /usr/lib/postgresql ] || echo postgresql
}

install_packages() {  # one call; says first what it will install
  [ $# -eq 0 ] && return 0
  has_command apt-get || die "missing: $*. This machine has no apt-get; install what these Debian packages hold, then run me again."
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    has_command sudo || die "missing packages: $*. I am not root and there is no sudo; as root: apt-get install $*"
    as_root=(sudo)
  fi
  say "installing with apt-get${as_root:+ (as root, by sudo)}: $*"
  "${as_root[@]}" sh -c 'export DEBIAN_FRONTEND=noninteractive
    apt-get install -y --no-install-recommends "$@" || { apt-get update && apt-get install -y --no-install-recommends "$@"; }' sh "$@" >&2 ||
    die "apt-get could not install: $*"
}

check_cmake_version() {
  local version
  version=$(cmake --version | sed -n '1s/[^0-9]*\([0-9]*\.[0-9]*\).*/\1/p')
  [ "$(printf '%s\n3.25\n' "$version" | sort -V | head -n 1)" = 3.25 ] || die "cmake $version is too old, 3.25 is needed"
}
