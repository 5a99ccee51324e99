#!/usr/bin/env bash
# tools/arm64_libraries.sh FOLDER    puts the libraries that Firesteel links, for arm64, into FOLDER (usr/lib/aarch64-linux-gnu/*.a)
#
# For the cross build of `./test full`. They come out of this distribution's own arm64 packages, fetched with lists of their own and unpacked,
# not installed: the machine stays as it is and nothing runs as root. What is there is not fetched again. Exit code 1 where the
# distribution's servers have no arm64 packages (Ubuntu keeps them elsewhere): programs that need a library are not built then.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/setup.sh

folder=${1:?tools/arm64_libraries.sh FOLDER}
packages=(libutf8proc-dev libsqlite3-dev libsodium-dev libssl-dev libzstd-dev libjpeg62-turbo-dev libpng-dev zlib1g-dev libwebp-dev)
[ -e "$folder/complete" ] && exit 0
has_command apt-get || die "no apt-get: the arm64 libraries cannot be fetched"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/archives/partial" "$folder"
options=(-q -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o Dir::State::lists="$work/lists" -o Dir::Cache="$work" -o Dir::State::status=/dev/null
  -o Acquire::Languages=none -o APT::Sandbox::User="$(id -un)" -o APT::Update::Error-Mode=any)
say "fetching arm64 libraries into $folder: ${packages[*]}"
apt-get "${options[@]}" update >&2 || die "the package servers of this machine have no lists for arm64"
(cd "$work" && apt-get "${options[@]}" download "${packages[@]/%/:arm64}") >&2 || die "not every package is there for arm64"
for file in "$work"/*.deb; do dpkg-deb -x "$file" "$folder"; done
touch "$folder/complete"
