#!/usr/bin/env python3
"""Writes tests/fixtures/convolutions.json: what JAX computes for convolutions and transposed ones, and their gradients under
a given cotangent. Needs jax (pip install jax); the tests do not. The same bytes at every run.

Inputs are whole multiples of 1/8 in a small range, so that every result is a whole multiple of 1/64, exact in any order of
summation; all are written as these multiples. Images are [n, h, w, c]; weights [out, k, k, in], of transposed convolutions
[k, k, out, in].
"""

import json, pathlib
import jax
import numpy as np

jax.config.update("jax_enable_x64", True)
OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "convolutions.json"
random = np.random.default_rng(2017)


def numbers(*shape):
    return random.integers(-16, 17, shape) / 8


def whole(t, unit):
    t = np.asarray(t) * unit
    assert (t == np.rint(t)).all()
    return np.rint(t).astype(int).flatten().tolist()


def conv(stride, padding):
    def f(x, w, b):
        layout = ("NHWC", "OHWI", "NHWC")
        return jax.lax.conv_general_dilated(x, w, (stride, stride), [(padding, padding)] * 2, dimension_numbers=layout) + b

    return f


def conv_transpose(stride, padding, extra):
    # The definition by zeros between the pixels, a flipped kernel and stride 1, which shares nothing with an adjoint.
    def f(x, w, b):
        around = w.shape[0] - 1 - padding
        y = jax.lax.conv_general_dilated(
            x, w[::-1, ::-1], (1, 1), [(around, around + extra)] * 2, (stride, stride), dimension_numbers=("NHWC", "HWOI", "NHWC")
        )
        return y + b

    return f


def case(transposed, n, image, c, out, kernel, stride, padding, extra=0):
    f = conv_transpose(stride, padding, extra) if transposed else conv(stride, padding)
    shape = (kernel, kernel, out, c) if transposed else (out, kernel, kernel, c)
    x, w, b = numbers(n, *image, c), numbers(*shape), numbers(out)
    y, pull = jax.vjp(f, x, w, b)
    dy = numbers(*y.shape)
    dx, dw, db = pull(dy)
    inputs = {name: whole(t, 8) for name, t in (("x", x), ("w", w), ("b", b), ("dy", dy))}
    results = {"y": whole(y, 64), "dx": whole(dx, 64), "dw": whole(dw, 64), "db": whole(db, 64)}
    shape = {"n": n, "image": image, "in": c, "out": out, "kernel": kernel, "stride": stride, "padding": padding}
    return {"transposed": transposed, **shape, "extra": extra, "image_out": list(y.shape[1:3]), **inputs, **results}


cases = [
    case(False, 2, [5, 6], 3, 4, 3, 1, 1),
    case(False, 2, [8, 7], 2, 3, 4, 2, 1),
    case(False, 1, [9, 5], 3, 2, 2, 2, 0),
    case(False, 2, [3, 4], 4, 3, 1, 1, 0),
    case(False, 1, [7, 7], 2, 4, 5, 3, 2),
    case(True, 2, [3, 4], 3, 2, 4, 2, 1),
    case(True, 1, [4, 3], 2, 3, 3, 2, 1, 1),
    case(True, 2, [3, 3], 3, 3, 3, 1, 1),
    case(True, 1, [2, 3], 2, 2, 2, 3, 0, 2),
]
OUT.write_text("[\n%s\n]\n" % ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases))
