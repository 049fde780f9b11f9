// Functions whose builtins lose accuracy or give NaN on some device (tanh of large arguments, log near 1).

// Whether x is NaN, by its bits: drivers fold x != x, x - x and max(NaN, 0).
fn is_nan(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

// ln(1 + x), accurate near 0, for x > -1.
fn log1p_(x: f32) -> f32 {
  let p = x * (1.0 + x * (-0.5 + x * (0.33333334 + x * (-0.25 + x * 0.2))));
  return select(log(1.0 + x), p, abs(x) < 0.03125);
}

// tanh x: a polynomial near 0, clamped where the builtin overflows.
fn tanh_(x: f32) -> f32 {
  let c = clamp(x, -15.0, 15.0);
  let q = c * c;
  let p = c * (1.0 + q * (-0.33333334 + q * (0.13333334 + q * (-0.053968254))));
  return select(tanh(c), p, abs(c) < 0.125);
}

// 1 / (1 + e^-x), relative accuracy in both tails.
fn sigmoid_(x: f32) -> f32 {
  let e = exp(-abs(x));
  let r = 1.0 / (1.0 + e);
  return select(e * r, r, x >= 0.0);
}

// ln(1 + e^x).
fn softplus_(x: f32) -> f32 {
  return max(x, 0.0) + log1p_(exp(-abs(x)));
}

// (sin 2 pi u, cos 2 pi u) for u in [0, 1): polynomials, as builtins may be off by 2^-11. The quadrant is exact.
fn sin_cos_turns(u: f32) -> vec2f {
  let q = floor(u * 4.0 + 0.5);
  let r = (u - q * 0.25) * 6.2831853;
  let z = r * r;
  let s = ((-1.9515296e-4 * z + 8.332161e-3) * z - 1.6666655e-1) * z * r + r;
  let c = ((2.4433157e-5 * z - 1.3887316e-3) * z + 4.1666646e-2) * z * z - 0.5 * z + 1.0;
  let k = u32(q) & 3u;
  let odd = (k & 1u) == 1u;
  let a = select(s, c, odd);
  let b = select(c, s, odd);
  return vec2f(select(a, -a, k >= 2u), select(b, -b, k == 1u || k == 2u));
}
