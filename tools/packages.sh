#!/bin/bash
# Install the Debian packages that the project needs and that are missing.
set -eu
packages="
avahi-daemon avahi-utils build-essential ca-certificates chrony curl dbus dnsmasq-base
gcc-arm-none-eabi gcc-multilib iperf3 iproute2 iputils-ping libnewlib-arm-none-eabi
netcat-openbsd pkg-config python3-venv qemu-system-arm radvd udhcpc"

if ! command -v dpkg-query >/dev/null; then
    echo "lwpy: this is not Debian. Debian 12 and 13 are supported; elsewhere install what these"
    echo "lwpy: packages hold, then run 'make setup LWPY_PACKAGES=no MPY_DIR=<micropython>':" $packages
    exit 1
fi >&2

if [ "$(dpkg --print-architecture)" != amd64 ]; then
    echo "lwpy: the 32-bit tests need a PC (amd64); this is $(dpkg --print-architecture)." >&2
    exit 1
fi

missing=
for package in $packages; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || true
    [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    root=
elif sudo -n true 2>/dev/null; then
    root="sudo -n"
else
    echo "lwpy: Debian packages are missing. Run this line, then make again:"
    echo
    echo "    sudo apt-get update && sudo apt-get install -y --no-install-recommends$missing"
    echo
    exit 1
fi >&2

step=$(dirname "$0")/step.sh
"$step" apt-update "reading the package lists" \
    "Check the network and the system's apt sources, then run make again." \
    $root apt-get update
"$step" apt-install "installing Debian packages:$missing" \
    "Install them by hand with apt-get, then run make again." \
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
