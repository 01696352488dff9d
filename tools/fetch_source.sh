#!/bin/bash
# fetch_source.sh PACKAGE BUILD_DIR: unpack Debian's source package (trixie) of that name, such as
# micropython (1.25) or lwip (2.2), into BUILD_DIR/PACKAGE-src.
#
# apt runs on a state of its own under BUILD_DIR/apt, so the system's sources and lists stay as they
# are and no root is needed. Mirror and keyring are the ones this machine already uses; apt checks
# the signatures as always.
set -eu
package=${1:?usage: fetch_source.sh PACKAGE BUILD_DIR}
build=${2:?usage: fetch_source.sh PACKAGE BUILD_DIR}
suite=trixie

mkdir -p "$build"
build=$(cd "$build" && pwd)
apt=$build/apt/$package
. /etc/os-release

# The mirror is where the running release itself comes from.
fields='$(COMPONENT)|$(RELEASE)|$(CODENAME)|$(REPO_URI)|$(SOURCESENTRY)'
IFS='|' read -r mirror entry < <(
    apt-get indextargets --format "$fields" | awk -F'|' -v release="${VERSION_CODENAME:-none}" \
        '$1 == "main" && ($2 == release || $3 == release) && $4 ~ /^http/ { print $4 "|" $5; exit }'
) || true
if [ -z "${mirror:-}" ]; then
    echo "No Debian mirror for ${VERSION_CODENAME:-this system} in the configured apt sources."
    exit 1
fi

# The keyring is the one named beside that mirror, else the one of debian-archive-keyring.
keyring=$(sed -n 's/^Signed-By: *\(\/.*\)/\1/p; s/.*signed-by=\([^] ]*\).*/\1/p' \
    "${entry%:*}" 2>/dev/null | head -n 1)
[ -r "$keyring" ] || keyring=/usr/share/keyrings/debian-archive-keyring.gpg

rm -rf "$apt"
mkdir -p "$apt/sources" "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/src"
: >"$apt/state/status"
cat >"$apt/sources/lwpy.sources" <<END
Types: deb-src
URIs: $mirror
Suites: $suite
Components: main
Signed-By: $keyring
END

options=(
    -o Dir::State="$apt/state" -o Dir::State::status="$apt/state/status"
    -o Dir::Cache="$apt/cache"
    -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$apt/sources"
    -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
    -o Acquire::Languages=none -o APT::Sandbox::User=
    -o APT::Update::Error-Mode=any
    -o Acquire::Retries=3
)
cd "$apt/src"
apt-get "${options[@]}" update
apt-get "${options[@]}" source --download-only "$package"

# Apt has checked the archive's signature and the hashes of these files.
rm -rf "$build/$package-src"
dpkg-source --no-check --no-copy -x "$package"_*.dsc "$build/$package-src"
