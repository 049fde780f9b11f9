#!/usr/bin/env python3
"""Checks a run's checkpoint from outside elbo: loads it with Python's safetensors, prints what is in it, and rebuilds
the VAE in numpy to reconstruct the test images that `elbo reconstruct` reconstructed.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install numpy safetensors
    elbo train vae --epochs 1
    elbo reconstruct runs/vae -n 10000 --out /tmp/pictures.npy
    /tmp/venv/bin/python scripts/check-checkpoint.py runs/vae /tmp/pictures.npy

Exit code 0: every number agrees to 1e-4.
"""

import json
import sys
from pathlib import Path

import numpy as np
from safetensors import safe_open

TOLERANCE = 1e-4

ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "softplus": lambda x: np.logaddexp(0, x),
    "linear": lambda x: x,
}


def main(run, pictures):
    checkpoints = run / "checkpoints"
    path = checkpoints / (checkpoints / "latest").read_text().strip()
    with safe_open(path, framework="numpy") as file:
        meta = json.loads(file.metadata()["elbo"])
        w = {name: file.get_tensor(name) for name in file.keys()}
    print(f"{path}: step {meta['step']}, format {meta['format']}")
    for name, t in sorted(w.items()):
        print(f"  {name:32} {str(t.dtype):8} {list(t.shape)}")
    model, binarise = meta["config"]["model"], meta["config"]["data"]["binarise"]
    activation = ACTIVATIONS[model["activation"]]

    def linear(name, x):
        return x @ w[f"{name}.weight"].astype(np.float64).T + w[f"{name}.bias"].astype(np.float64)

    def hidden(name, x):
        for i in range(len(model["hidden"])):
            x = activation(linear(f"{name}.{i}", x))
        return x

    x, shown = np.load(pictures).astype(np.float64)
    if binarise != "none":
        assert set(np.unique(x)) <= {0.0, 1.0}, "binarised inputs are black and white"

    y = linear("decoder.output", hidden("decoder", linear("encoder.mean", hidden("encoder", x))))
    if model["likelihood"] == "bernoulli":
        y = 1 / (1 + np.exp(-y))
    worst = np.abs(y - shown).max()
    print(f"{len(x)} reconstructions: largest difference {worst:.2e}; {(x != 0).mean():.3f} of the input is lit")
    return 0 if worst <= TOLERANCE else 1


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
