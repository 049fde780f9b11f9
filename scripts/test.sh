#!/usr/bin/env bash
# Runs every test: scripts/test.sh [arguments of cargo test]. GPU tests need a Vulkan driver; on Debian and its kin a
# missing one is installed (Mesa's llvmpipe, which needs no GPU). ELBO_GPU_TESTS=skip leaves them out and installs
# nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { echo "scripts/test.sh: $*" >&2; }

has_vulkan() {
    compgen -G '/usr/share/vulkan/icd.d/*.json' >/dev/null || compgen -G '/etc/vulkan/icd.d/*.json' >/dev/null || return 1
    # A plain user's PATH lacks sbin on Debian. The whole list is read: grep -q would break the pipe under pipefail.
    PATH="$PATH:/usr/sbin:/sbin" ldconfig -p | grep 'libvulkan\.so\.1' >/dev/null
}

install_vulkan() {
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || return 1
        root=(sudo)
    fi
    "${root[@]}" apt-get update &&
        "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y --no-install-recommends mesa-vulkan-drivers libvulkan1 &&
        has_vulkan
}

need_vulkan() {
    [ "$(uname -s)" = Linux ] || return 0 # Metal and DX12 come with their systems
    has_vulkan && return 0
    if ! command -v apt-get >/dev/null; then
        say "no Vulkan driver found: the GPU tests need one (a GPU's own, or Mesa's llvmpipe), and off Debian it is"
        say "yours to install; or set ELBO_GPU_TESTS=skip. Going on, as it may be where this script does not look."
        return 0
    fi
    say "no Vulkan driver found: installing mesa-vulkan-drivers and libvulkan1"
    install_vulkan && return 0
    say "could not install a Vulkan driver. As root: apt-get install mesa-vulkan-drivers libvulkan1;"
    say "or set ELBO_GPU_TESTS=skip to run the tests that need no GPU."
    return 1
}

if [ "${ELBO_GPU_TESTS:-}" != skip ]; then
    need_vulkan || exit 1
fi

# Mesa's device-select layer may hang or reorder adapters where there is no display.
export NODEVICE_SELECT=1

status=0
cargo test --release --no-fail-fast "$@" || status=$?
if [ "${ELBO_GPU_TESTS:-}" = skip ]; then
    echo "ELBO_GPU_TESTS=skip: the tests that need a GPU were not run"
fi
exit "$status"
