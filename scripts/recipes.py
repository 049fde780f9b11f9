#!/usr/bin/env python3
"""Makes rows of assets/recipes/README.md again: trains each with several seeds, evaluates it, prints medians and ranges.

    scripts/recipes.py                     the names of the rows
    scripts/recipes.py ae dae              these rows, seeds 1, 2 and 3
    scripts/recipes.py --seeds 1 --device gpu ae

Runs and results stay in runs/recipes; a result that is there is not made again. Prints one row of a markdown table each.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import time

# Of a row: what `elbo train` and `elbo eval` are given, and which numbers of the latter it shows, by their names in --json.
ONE_LAYER = "--set data.validation=10000"
# The noise of evaluation by one seed: every run is measured on the same binarised images.
FIRST_1000 = "--samples 500 --seed 1 --set data.limit=1000"
PROBE = "probe error of codes, %"
SCORES = ["mig", "factor_vae", "dci_disentanglement", "recon", "kl"]
ROWS = {
    "ae": ("ae --set model.hidden=[1000]", "", ["squared error", "pca-30 squared error"]),
    "ae-sigmoid": (f"ae-sigmoid {ONE_LAYER}", "--probe=codes --jacobian", [PROBE, "jacobian norm", "squared error"]),
    "dae": (f"dae {ONE_LAYER}", "--probe=codes --jacobian", [PROBE, "jacobian norm", "squared error"]),
    "contractive": (f"contractive {ONE_LAYER}", "--probe=codes --jacobian", [PROBE, "jacobian norm", "saturated %", "squared error"]),
    "k-sparse": (f"k-sparse {ONE_LAYER}", "--probe=codes --set model.alpha=3", [PROBE, "squared error"]),
    "vae": ("vae --epochs 5", FIRST_1000, ["NLL", "-ELBO", "active units"]),
    "iwae": ("iwae --epochs 5", FIRST_1000, ["NLL", "-IWAE", "active units"]),
    "vae-pythae": ("vae-pythae --epochs 15", "--samples 200 --seed 1", ["NLL", "-ELBO", "active units"]),
    "beta-vae-1": ("beta-vae-sprites --set model.beta=1", "--disentanglement", SCORES),
    "beta-vae-4": ("beta-vae-sprites", "--disentanglement", SCORES),
    "untrained": ("beta-vae-sprites", "--disentanglement --untrained", SCORES[:3]),
    "pixels": (f"ae-sigmoid {ONE_LAYER}", "--probe=pixels", ["probe error of pixels, %"]),
}


def result(row, seed, a):
    """The numbers of a run by name, and the seconds of its training, where they were taken."""
    train, judge, _ = ROWS[row]
    # Rows of the same training share its run.
    run = os.path.join(a.out, f"{train.replace(' ', '_').replace('--set_', '')}-{seed}")
    kept = f"{os.path.join(a.out, row)}-{seed}.json"
    if os.path.exists(kept):
        with open(kept) as f:
            return json.load(f)
    device = ["--device", a.device]

    def elbo(*words):
        return subprocess.run([a.elbo, *words, *device], check=True, stdout=subprocess.PIPE, text=True).stdout

    if not os.path.exists(os.path.join(run, "report.html")):
        begun = time.time()
        elbo("train", *shlex.split(train), "--seed", str(seed), "--quiet", "--force", "--out", run)
        with open(run + ".seconds", "w") as f:
            f.write(f"{time.time() - begun}")
    seconds = None
    if os.path.exists(run + ".seconds"):
        with open(run + ".seconds") as f:
            seconds = float(f.read())
    numbers = json.loads(elbo("eval", run, *shlex.split(judge), "--json"))
    numbers["seconds"] = seconds
    with open(kept + ".tmp", "w") as f:
        json.dump(numbers, f, indent=1)
    os.replace(kept + ".tmp", kept)
    return numbers


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("rows", nargs="*", metavar="ROW")
    p.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    p.add_argument("--device", default="cpu")
    p.add_argument("--elbo", default="target/release/elbo", help="the program")
    p.add_argument("--out", default="runs/recipes", help="where runs and results go")
    a = p.parse_args()
    if unknown := [row for row in a.rows if row not in ROWS]:
        p.error(f"no row {unknown[0]}; the rows are {', '.join(ROWS)}")
    if not a.rows:
        print("\n".join(f"{row}: elbo train {train}; elbo eval {judge}" for row, (train, judge, _) in ROWS.items()))
        return
    os.makedirs(a.out, exist_ok=True)
    for row in a.rows:
        results = [result(row, seed, a) for seed in a.seeds]
        shown = []
        for name in ROWS[row][2]:
            values = [r[name] for r in results]
            each = ", ".join(f"{v:.5g}" for v in values)
            shown.append(f"{name} {statistics.median(values):.5g} ({each})")
        taken = [r["seconds"] for r in results if r["seconds"]]
        seconds = f"{statistics.median(taken):.0f} s" if taken else ""
        seeds = ", ".join(map(str, a.seeds))
        print(f"| {row} | `{ROWS[row][0]}` | {'; '.join(shown)} | {seeds} | {seconds} | {a.device} |", flush=True)


if __name__ == "__main__":
    try:
        main()
    except FileNotFoundError as e:
        sys.exit(f"recipes: there is no {e.filename}: build it (cargo build --release), or say where it is (--elbo)")
    except subprocess.CalledProcessError as e:
        sys.exit(f"recipes: `{shlex.join(e.cmd)}` failed with {e.returncode}")
