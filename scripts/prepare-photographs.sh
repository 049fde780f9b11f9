#!/usr/bin/env bash
# Makes assets/photographs/*.png from the PyPI package scikit-image 0.26.0: the files as they are, checked against their
# known md5.
set -euo pipefail

out="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/assets/photographs"
tmp="$(mktemp -d)"
trap 'rm -rf "$tmp"' EXIT

for tool in pip unzip md5sum; do
    command -v "$tool" >/dev/null || { echo "prepare-photographs: needs $tool, which is not installed" >&2; exit 1; }
done

cd "$tmp"
pip download --quiet --no-deps --only-binary :all: scikit-image==0.26.0
unzip -q scikit_image-0.26.0-*.whl 'skimage/data/*.png'
cd skimage/data
md5sum --check --strict <<'SUMS'
97066e0a8baf4cd0be9859f9825aa3a2  astronaut.png
0f1b4a59504988622035d850dc0555ac  chelsea.png
f24210802e8d0690e0c1c2302f907cc4  coffee.png
SUMS

mkdir -p "$out"
cp astronaut.png chelsea.png coffee.png "$out"
ls -l "$out"
