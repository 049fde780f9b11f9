#!/usr/bin/env python3
"""Writes tests/fixtures/gaussians.json: pairs of Gaussians with random full covariances, and what NumPy and SciPy say of
them. Needs both (pip install numpy scipy); the tests need neither. The same bytes at every run, but for the last digits
of results, which follow the versions.

Means, points and covariances are whole multiples of 1/1024, so that f32 and f64 begin alike; of a covariance the lower
triangle is written, row by row.
"""

import json, pathlib
import numpy as np
from scipy.stats import multivariate_normal

UNIT = 1024
OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "gaussians.json"


def kl(m1, s1, m2, s2):
    """In nats, by the formula as it stands, with no factorisation shared with what it tests."""
    d = len(m1)
    delta = m2 - m1
    log_dets = np.linalg.slogdet(s2)[1] - np.linalg.slogdet(s1)[1]
    return 0.5 * (np.trace(np.linalg.solve(s2, s1)) + delta @ np.linalg.solve(s2, delta) - d + log_dets)


def pair(d, rng):
    def whole(x):
        return np.rint(np.asarray(x) * UNIT).astype(int)

    means = [whole(rng.normal(size=d)) for _ in range(2)]
    covariances = []
    for scale in (1.0, 0.6):
        a = rng.normal(size=(d, d + 2)) * scale / np.sqrt(d)
        lower = np.tril(whole(a @ a.T + 0.1 * np.eye(d)))
        covariances.append(lower + np.tril(lower, -1).T)
    point = whole(rng.normal(size=d))
    m, s, x = [v / UNIT for v in means], [v / UNIT for v in covariances], point / UNIT
    known = [multivariate_normal(a, b) for a, b in zip(m, s)]
    zero, one = np.zeros(d), np.eye(d)
    return {
        "means": [v.tolist() for v in means],
        "covariances": [v[np.tril_indices(d)].tolist() for v in covariances],
        "conditions": [float(np.linalg.cond(v)) for v in s],
        "kl": [kl(m[0], s[0], m[1], s[1]), kl(m[1], s[1], m[0], s[0])],
        "kl_standard": [kl(a, b, zero, one) for a, b in zip(m, s)],
        "entropies": [float(k.entropy()) for k in known],
        "point": point.tolist(),
        "log_probs": [float(k.logpdf(x)) for k in known],
    }


rng = np.random.default_rng(2019)
pairs = [pair(d, rng) for d in (1, 2, 7, 32)]
lines = [json.dumps(p) for p in pairs]
OUT.write_text('{"unit": %d, "pairs": [\n%s\n]}\n' % (UNIT, ",\n".join(lines)))
