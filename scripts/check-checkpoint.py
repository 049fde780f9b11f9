#!/usr/bin/env python3
"""Checks a run's checkpoint from outside elbo: loads it with Python's safetensors, prints what is in it, and rebuilds
the VAE in numpy to reconstruct the test images of samples/reconstructions.png.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install numpy safetensors
    elbo train vae --epochs 1
    /tmp/venv/bin/python scripts/check-checkpoint.py runs/vae

Exit code 0: every pixel agrees with the picture. A picture holds whole grey levels, so the bound is half a level, plus
1e-4 for the arithmetic. Inputs are read from the picture too, which is exact for binarised data only.
"""

import json
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
from safetensors import safe_open

SCALE, GAP, COLUMNS = 2, 2, 10  # src/report/grid.rs
TOLERANCE = 0.5 / 255 + 1e-4


def read_png(path):
    """A grey 8-bit PNG as an array [height, width]; no more of the format than elbo writes."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n", f"{path} is no PNG"
    at, body, header = 8, b"", None
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        chunk = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", chunk)
        elif kind == b"IDAT":
            body += chunk
        at += 12 + length
    width, height, depth, colour, _, _, interlaced = header
    assert (depth, colour, interlaced) == (8, 0, 0), f"{path} is not a plain grey PNG"
    raw = zlib.decompress(body)
    rows, above = [], bytearray(width)
    for y in range(height):
        kind, *line = raw[y * (width + 1) : (y + 1) * (width + 1)]
        row = bytearray(width)
        for x in range(width):
            left, corner = (row[x - 1], above[x - 1]) if x else (0, 0)
            up = above[x]
            if kind == 4:
                p = left + up - corner
                guess = min((left, up, corner), key=lambda v: abs(p - v))
            else:
                guess = [0, left, up, (left + up) // 2][kind]
            row[x] = (line[x] + guess) & 255
        rows.append(row)
        above = row
    return np.array([list(r) for r in rows], dtype=np.uint8)


def pictures(grid, height, width):
    """The pictures of a grid, in order: [n, height·width] bytes, and a check that each was scaled whole."""
    cell_h, cell_w = height * SCALE + GAP, width * SCALE + GAP
    found = []
    for top in range(GAP, grid.shape[0] - GAP, cell_h):
        for left in range(GAP, grid.shape[1] - GAP, cell_w):
            big = grid[top : top + height * SCALE, left : left + width * SCALE]
            small = big[::SCALE, ::SCALE]
            assert (np.kron(small, np.ones((SCALE, SCALE), np.uint8)) == big).all(), "not a grid that elbo wrote"
            found.append(small.reshape(-1))
    return np.array(found)


ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "softplus": lambda x: np.logaddexp(0, x),
    "linear": lambda x: x,
}


def main(run):
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

    features = w["decoder.output.weight"].shape[0]
    side = round(features**0.5)
    assert side * side == features, "only square pictures are read back"
    shown = pictures(read_png(run / "samples" / "reconstructions.png"), side, side)
    rows = shown.reshape(-1, 2, COLUMNS, features)  # rows of inputs and of reconstructions take turns
    x, pixels = (rows[:, i].reshape(-1, features) / 255.0 for i in (0, 1))
    if binarise != "none":
        assert set(np.unique(x)) <= {0.0, 1.0}, "binarised inputs are black and white"

    y = linear("decoder.output", hidden("decoder", linear("encoder.mean", hidden("encoder", x))))
    if model["likelihood"] == "bernoulli":
        y = 1 / (1 + np.exp(-y))
    worst = np.abs(np.clip(y, 0, 1) - pixels).max()
    wrong = (np.floor(np.clip(y, 0, 1) * 255 + 0.5) != np.round(pixels * 255)).sum()
    print(f"{len(x)} reconstructions: largest difference {worst:.6f} (half a grey level is {0.5 / 255:.6f}),")
    print(f"{wrong} of {y.size} pixels round to another grey level; {(x != 0).mean():.3f} of the input is lit")
    if binarise == "none":
        print("grey inputs: what the picture holds of them is rounded, so this is no exact check")
    return 0 if worst <= TOLERANCE else 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
