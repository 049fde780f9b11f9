#!/usr/bin/env bash
# Runs the rig on several GPU implementations, one leg each, has the shaders checked by Chromium (scripts/lint-wgsl.py),
# and ends with a line a leg: scripts/legs.sh [--install].
# --install fetches SwiftShader where it is missing (Debian's package chromium ships it). A leg that could not run is
# listed as "not run", never as passed. Fails if any leg that ran failed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cache=${XDG_CACHE_HOME:-$HOME/.cache}/elbo-legs
swiftshader=/usr/lib/chromium/vk_swiftshader_icd.json
lavapipe=$(compgen -G '/usr/share/vulkan/icd.d/lvp_icd.*.json' | head -n 1)
install=
case "${1:-}" in
'') ;;
--install) install=yes ;;
*)
    echo "scripts/legs.sh: unknown argument $1; only --install is known" >&2
    exit 2
    ;;
esac

# Mesa's device-select layer may hang or reorder adapters where there is no display.
export NODEVICE_SELECT=1
unset ELBO_GPU_TESTS

if [ -n "$install" ] && [ ! -e "$swiftshader" ] && command -v apt-get >/dev/null; then
    root=()
    [ "$(id -u)" -eq 0 ] || root=(sudo)
    "${root[@]}" apt-get update &&
        "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium
fi

cargo test --release --test rig --no-run || exit 1

lines=()
status=0

# leg NAME WORD VARIABLE=VALUE...: the adapter's name must hold WORD, or the leg did not test what it says.
leg() {
    local name=$1 word=$2 start=$SECONDS log
    shift 2
    log=$(mktemp)
    echo "=== $name"
    if ! env "$@" cargo test --release --test rig -- --nocapture 2>&1 | tee "$log"; then
        lines+=("$name: FAILED, $((SECONDS - start)) s")
        status=1
    elif ! grep -q "^gpu, .*$word" "$log"; then
        lines+=("$name: FAILED: it ran on another adapter")
        status=1
    else
        lines+=("$name: passed, $((SECONDS - start)) s: $(sed -n 's/^gpu, \(.*\), [0-9.]* s$/\1/p' "$log" | sort | tail -n 1)")
    fi
    rm -f "$log"
}

missing() { lines+=("$1: not run: $2"); }

for width in '' 128 512; do
    name="llvmpipe${width:+, vectors of $width bits}"
    if [ -n "$lavapipe" ]; then
        # A cache for each width: with one for all, Mesa 22.3 loads what another width compiled (measured: 7 s, not 60).
        # Mesa makes no folder inside one that is not there.
        mkdir -p "$cache/${width:-native}"
        leg "$name" "llvmpipe.*${width:+$width bits}" VK_ICD_FILENAMES="$lavapipe" MESA_SHADER_CACHE_DIR="$cache/${width:-native}" \
            ${width:+LP_NATIVE_VECTOR_WIDTH=$width}
    else
        missing "$name" "no lavapipe in /usr/share/vulkan/icd.d (Debian: mesa-vulkan-drivers)"
    fi
done
if [ -e "$swiftshader" ]; then
    leg SwiftShader SwiftShader VK_ICD_FILENAMES="$swiftshader"
else
    missing SwiftShader "no $swiftshader; --install fetches it"
fi

# The same shaders through the compiler of a browser: not run on any data, but held to all of WGSL's rules.
tint() {
    local name='Chromium (Tint)' start=$SECONDS log code last
    if ! command -v python3 >/dev/null; then
        missing "$name" "no python3"
        return
    fi
    log=$(mktemp)
    echo "=== $name"
    scripts/lint-wgsl.py 2>&1 | tee "$log"
    code=${PIPESTATUS[0]}
    last=$(tail -n 1 "$log")
    rm -f "$log"
    case $code in
    0) lines+=("$name: passed, $((SECONDS - start)) s: $last") ;;
    3) missing "$name" "${last#not run: }" ;;
    *)
        lines+=("$name: FAILED, $((SECONDS - start)) s: $last")
        status=1
        ;;
    esac
}
tint

echo
printf '%s\n' "${lines[@]}"
exit "$status"
