#!/usr/bin/env python3
"""Writes tests/fixtures/td-vae.json: the loss of TD-VAE (Gregor et al. 2019, eq. 6), its terms and its gradients by JAX in
float64, for fixed weights, frames, times and noise, of one layer of z and of two, and of two where the time between is told by
sinusoids. Needs JAX (pip install jax); the tests need
nothing. The same bytes at every run, but for the last digits of results, which follow the versions.

Written from the equation, step by step: no code is shared with what it tests. Weights and noise are whole multiples of
1/1024, so that f32 and f64 begin alike; frames are bits.
"""

import json, pathlib
import jax
import numpy as np

jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp

UNIT = 1024
OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "td-vae.json"
BATCH, TIME, FEATURES, SAMPLES = 3, 7, 5, 2
FRAME, BELIEF, LATENT, GATED, DECODER, LONGEST = 4, 6, 3, 5, 7, 4
LOG_2PI = np.log(2 * np.pi)


def shapes(layers, told):
    """Names and shapes of the weights, [out, in]."""
    linear = {"encoder.frame.0": (FRAME, FEATURES), "decoder.0": (DECODER, layers * LATENT), "decoder.output": (FEATURES, DECODER)}
    known = {
        "belief": BELIEF,
        "smoothing": 2 * BELIEF + layers * LATENT + told,
        "transition": layers * LATENT + told,
    }
    for part, width in known.items():
        for layer in range(layers):
            # The uppermost layer is given nothing above it.
            above = LATENT if layer < layers - 1 else 0
            for name in ("value", "gate"):
                linear[f"{part}.{layer}.{name}"] = (GATED, width + above)
            for name in ("mean", "log_scale"):
                linear[f"{part}.{layer}.{name}"] = (LATENT, GATED)
    all = {"encoder.lstm.input.weight": (4 * BELIEF, FRAME), "encoder.lstm.input.bias": (4 * BELIEF,)}
    all["encoder.lstm.hidden.weight"] = (4 * BELIEF, BELIEF)
    for name, (out, inputs) in linear.items():
        all[f"{name}.weight"], all[f"{name}.bias"] = (out, inputs), (out,)
    return all


def linear(p, name, x):
    return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]


def d_block(p, name, x):
    t = jnp.tanh(linear(p, f"{name}.value", x)) * jax.nn.sigmoid(linear(p, f"{name}.gate", x))
    return linear(p, f"{name}.mean", t), linear(p, f"{name}.log_scale", t)


def log_normal(z, mean, log_scale):
    return jnp.sum(-0.5 * ((z - mean) / jnp.exp(log_scale)) ** 2 - log_scale - 0.5 * LOG_2PI, -1)


def kl(m, s, n, r):
    """KL(N(m, e^2s) || N(n, e^2r)), summed."""
    return jnp.sum(r - s + (jnp.exp(2 * s) + (m - n) ** 2) / (2 * jnp.exp(2 * r)) - 0.5, -1)


def beliefs(p, x):
    """The states of an LSTM, one sequence at a time, one step at a time: [TIME, BELIEF]."""
    h = c = jnp.zeros(BELIEF)
    states = []
    for frame in jax.nn.relu(linear(p, "encoder.frame.0", x)):
        a = p["encoder.lstm.input.weight"] @ frame + p["encoder.lstm.input.bias"] + p["encoder.lstm.hidden.weight"] @ h
        i, f, g, o = jnp.split(a, 4)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        states.append(h)
    return jnp.stack(states)


def told_of(elapsed, periods):
    """The time between: one number, or the sine and the cosine of each period of 4, 8, …"""
    if periods == 0:
        return jnp.array([elapsed / LONGEST])
    turns = [2 * np.pi * elapsed / 4 / 2**k for k in range(periods)]
    return jnp.array([f(turn) for turn in turns for f in (np.sin, np.cos)])


def one(p, layers, periods, x, t1, t2, noise2, noise1):
    """The terms of one sequence and one pair of times; noise: [layers, LATENT]."""
    b = beliefs(p, x)
    b1, b2, told = b[t1], b[t2], told_of(t2 - t1, periods)
    top_down = list(reversed(range(layers)))

    def draw(part, known, noise):
        z, dists, above = {}, {}, []
        for l in top_down:
            dists[l] = d_block(p, f"{part}.{l}", jnp.concatenate([known, *above]))
            z[l] = dists[l][0] + jnp.exp(dists[l][1]) * noise[l]
            above = [z[l]]
        return z, dists

    def at(part, known, z):
        dists, above = {}, []
        for l in top_down:
            dists[l] = d_block(p, f"{part}.{l}", jnp.concatenate([known, *above]))
            above = [z[l]]
        return dists

    join = lambda z: jnp.concatenate([z[l] for l in range(layers)])
    z2, p_b2 = draw("belief", b2, noise2)
    z1, q = draw("smoothing", jnp.concatenate([b1, b2, join(z2), told]), noise1)
    p_b1 = at("belief", b1, z1)
    p_t = at("transition", jnp.concatenate([join(z1), told]), z2)
    h = jnp.tanh(linear(p, "decoder.0", join(z2)))
    logits = linear(p, "decoder.output", h)
    x2 = x[t2]
    recon = -jnp.sum(x2 * jax.nn.log_sigmoid(logits) + (1 - x2) * jax.nn.log_sigmoid(-logits))
    return jnp.array([
        recon,
        sum(kl(*q[l], *p_b1[l]) for l in range(layers)),
        sum(log_normal(z2[l], *p_b2[l]) for l in range(layers)),
        -sum(log_normal(z2[l], *p_t[l]) for l in range(layers)),
    ])


def case(layers, periods, rng):
    def whole(shape, scale):
        return np.rint(rng.normal(size=shape) * scale * UNIT).astype(int)

    weights = {name: whole(shape, 0.7 / np.sqrt(shape[-1])) for name, shape in shapes(layers, max(1, 2 * periods)).items()}
    x = rng.integers(0, 2, size=(BATCH, TIME, FEATURES))
    jump = rng.integers(1, LONGEST + 1, size=(SAMPLES, BATCH))
    t1 = np.array([[rng.integers(0, TIME - j) for j in row] for row in jump])
    t2 = t1 + jump
    # [2, layers, SAMPLES, BATCH, LATENT]: of z2, then of z1.
    noise = whole((2, layers, SAMPLES, BATCH, LATENT), 1.0)
    e = noise / UNIT

    def terms(p):
        all = [one(p, layers, periods, x[b], t1[s, b], t2[s, b], e[0, :, s, b], e[1, :, s, b]) for s in range(SAMPLES) for b in range(BATCH)]
        return jnp.mean(jnp.stack(all), 0)

    p = {name: jnp.array(w / UNIT) for name, w in weights.items()}
    grads = jax.grad(lambda p: jnp.sum(terms(p)))(p)
    return {
        "layers": layers,
        "periods": periods,
        "x": x.ravel().tolist(),
        "t1": t1.ravel().tolist(),
        "t2": t2.ravel().tolist(),
        "noise": noise.reshape(2, layers, -1).tolist(),
        "weights": {name: w.ravel().tolist() for name, w in weights.items()},
        "terms": [float(t) for t in terms(p)],
        "grads": {name: np.asarray(g).ravel().tolist() for name, g in grads.items()},
    }


rng = np.random.default_rng(2019)
cases = [case(layers, periods, rng) for layers, periods in ((1, 0), (2, 0), (2, 3))]
OUT.write_text('{"unit": %d, "cases": [\n%s\n]}\n' % (UNIT, ",\n".join(json.dumps(c) for c in cases)))
