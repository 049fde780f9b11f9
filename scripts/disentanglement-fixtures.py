#!/usr/bin/env python3
"""Writes tests/fixtures/disentanglement/: codes and factors as .npy, and expected.json, what scikit-learn's own classifiers
make of them by the definitions of disentanglement_lib. Needs NumPy, SciPy and scikit-learn (pip install scikit-learn); the
tests need none. The same codes at every run; the scores follow the version of scikit-learn, which expected.json names.

Rows are drawn as src/eval/disentanglement draws them, by Philox, so that both sides see the same pairs and batches.
"""

import json, pathlib
import numpy as np
import scipy.stats
import sklearn
from sklearn import ensemble, linear_model, metrics, svm

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "disentanglement"
SIZES = [3, 6, 8, 5, 2]
ROWS = 1200
TRAIN, TEST, BATCH = 800, 400, 16


# --- the draws


def philox_block(block, stream, seed=0, step=0):
    c = [block, step, stream & 0xFFFFFFFF, stream >> 32]
    k = [seed & 0xFFFFFFFF, seed >> 32]
    for r in range(10):
        if r:
            k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
    return c


def words(name):
    """The words of the stream of a name, one after the other."""
    h = 0xCBF29CE484222325
    for b in f"{name}#0".encode():
        h = ((h ^ b) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    block = 0
    while True:
        yield from philox_block(block, h)
        block += 1


def divided(n):
    w, p = words("eval.sample"), list(range(n))
    for i in range(n - 1, 0, -1):
        j = (next(w) * (i + 1)) >> 32
        p[i], p[j] = p[j], p[i]
    return p[:TRAIN], p[TRAIN : TRAIN + TEST]


class Rows:
    def __init__(self, name, codes, factors):
        self.words, self.codes, self.factors = words(name), codes, factors
        self.having = [[np.flatnonzero(f == v) for v in range(f.max() + 1)] for f in factors.T]

    def below(self, n):
        return (next(self.words) * n) >> 32

    def factor(self):
        return self.below(self.factors.shape[1])

    def any(self):
        return self.below(len(self.codes))

    def like(self, row, k):
        having = self.having[k][self.factors[row, k]]
        return having[self.below(len(having))]


# --- the scores, as disentanglement_lib has them


def beta_vae(codes, factors):
    rows = Rows("eval.beta-vae", codes, factors)

    def points(n):
        x, y = [], []
        for _ in range(n):
            k, away = rows.factor(), []
            for _ in range(BATCH):
                first = rows.any()
                away.append(np.abs(codes[first] - codes[rows.like(first, k)]))
            x.append(np.mean(away, axis=0))
            y.append(k)
        return np.array(x), np.array(y)

    train, test = points(TRAIN), points(TEST)
    # Defaults but for the tolerance and the steps, which are to reach the optimum.
    fitted = linear_model.LogisticRegression(tol=1e-8, max_iter=10_000).fit(*train)
    return fitted.score(*test)


def factor_vae(codes, factors, train):
    rows = Rows("eval.factor-vae", codes, factors)
    variances = np.var(codes[train], axis=0, ddof=1)
    active = np.sqrt(variances) >= 0.05
    if not active.any():
        return 0.0, 0

    def votes(n):
        counts = np.zeros((factors.shape[1], active.sum()), dtype=int)
        for _ in range(n):
            k, batch = rows.factor(), [rows.any()]
            batch += [rows.like(batch[0], k) for _ in range(BATCH - 1)]
            local = np.var(codes[batch], axis=0, ddof=1)
            counts[k, np.argmin(local[active] / variances[active])] += 1
        return counts

    learned, judged = votes(TRAIN), votes(TEST)
    classifier = np.argmax(learned, axis=0)
    return judged[classifier, range(active.sum())].sum() / TEST, int(active.sum())


def information(codes, factors):
    def bins(c):
        return np.digitize(c, np.histogram(c, 20)[1][:-1])

    m = np.array([[metrics.mutual_info_score(v, bins(c)) for v in factors.T] for c in codes.T])
    entropy = np.array([metrics.mutual_info_score(v, v) for v in factors.T])
    top = np.sort(m, axis=0)[::-1]
    squares = np.square(m)
    most = squares.max(axis=1)
    with np.errstate(invalid="ignore"):
        modularity = 1.0 - (squares.sum(axis=1) - most) / (most * (factors.shape[1] - 1.0))
    modularity[most == 0.0] = 0.0
    return np.mean((top[0] - top[1]) / entropy), modularity.mean()


def sap(codes, factors, train, test):
    def accuracy(c, v):
        fitted = svm.LinearSVC(C=0.01, class_weight="balanced", tol=1e-8, max_iter=100_000)
        return fitted.fit(c[train, None], v[train]).score(c[test, None], v[test])

    top = np.sort([[accuracy(c, v) for v in factors.T] for c in codes.T], axis=0)
    return np.mean(top[-1] - top[-2])


def dci(codes, factors, train, test):
    importances, accuracies = [], []
    for v in factors.T:
        fitted = ensemble.GradientBoostingClassifier(random_state=0).fit(codes[train], v[train])
        importances.append(np.abs(fitted.feature_importances_))
        accuracies.append(fitted.score(codes[test], v[test]))
    r = np.array(importances).T

    def concentration(m):
        per_row = 1.0 - scipy.stats.entropy(m.T + 1e-11, base=m.shape[1])
        return np.sum(per_row * m.sum(axis=1) / m.sum())

    return concentration(r), concentration(r.T), np.mean(accuracies)


# --- the fixtures

rng = np.random.default_rng(2019)
factors = np.stack([rng.integers(0, n, ROWS) for n in SIZES], axis=1)
standard = (factors - factors.mean(axis=0)) / factors.std(axis=0)
rotation = np.linalg.qr(rng.normal(size=(5, 5)))[0]
codes = {}
for noise in (0.0, 0.3, 1.0):
    codes[f"factors-{noise}"] = standard + noise * rng.normal(size=standard.shape)
    codes[f"rotated-{noise}"] = (standard + noise * rng.normal(size=standard.shape)) @ rotation.T
# One that is pruned, and one that is constant.
dead = np.stack([0.02 * rng.normal(size=ROWS), np.full(ROWS, 0.5)], axis=1)
codes["dead"] = np.concatenate([standard + 0.3 * rng.normal(size=standard.shape), dead], axis=1)
codes["noise"] = rng.normal(size=standard.shape)
codes["pruned"] = 0.02 * rng.normal(size=standard.shape)

OUT.mkdir(parents=True, exist_ok=True)
np.save(OUT / "factors.npy", factors.astype("<u1"))
train, test = divided(ROWS)
scores = {}
for name, c in codes.items():
    c = c.astype("<f4")
    np.save(OUT / f"{name}.npy", c)
    c = c.astype(float)
    mig, modularity = information(c[train], factors[train])
    disentanglement, completeness, informativeness = dci(c, factors, train, test)
    score, active = factor_vae(c, factors, train)
    scores[name] = {
        "beta_vae": beta_vae(c, factors),
        "factor_vae": score,
        "active": active,
        "mig": mig,
        "sap": sap(c, factors, train, test),
        "disentanglement": disentanglement,
        "completeness": completeness,
        "informativeness": informativeness,
        "modularity": modularity,
    }
    print(name, {k: round(float(v), 4) for k, v in scores[name].items()}, flush=True)
lines = [f"{json.dumps(name)}: {json.dumps(s)}" for name, s in scores.items()]
protocol = json.dumps({"train": TRAIN, "test": TEST, "batch": BATCH})
(OUT / "expected.json").write_text(
    '{"scikit-learn": "%s", "protocol": %s, "scores": {\n%s\n}}\n' % (sklearn.__version__, protocol, ",\n".join(lines))
)
