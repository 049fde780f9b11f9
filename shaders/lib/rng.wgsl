// Philox4x32-10 (Salmon et al. 2011), the same integers as src/values/rng.rs.

// The 64-bit product of two words, low word first.
fn mul_wide(a: u32, b: u32) -> vec2u {
  let al = a & 0xffffu;
  let ah = a >> 16u;
  let bl = b & 0xffffu;
  let bh = b >> 16u;
  let low = al * bl;
  let mid = ah * bl + (low >> 16u);
  let mid2 = al * bh + (mid & 0xffffu);
  return vec2u(a * b, ah * bh + (mid >> 16u) + (mid2 >> 16u));
}

// Four words: counter (block, step, stream low, stream high), key = seed.
fn philox(counter: vec4u, seed: vec2u) -> vec4u {
  var c = counter;
  var k = seed;
  for (var round = 0u; round < 10u; round++) {
    let p0 = mul_wide(0xD2511F53u, c.x);
    let p1 = mul_wide(0xCD9E8D57u, c.z);
    c = vec4u(p1.y ^ c.y ^ k.x, p1.x, p0.y ^ c.w ^ k.y, p0.x);
    k += vec2u(0x9E3779B9u, 0xBB67AE85u);
  }
  return c;
}

// A uniform real, never 0 and never 1, exact in f32.
fn unit(word: u32) -> f32 {
  return (f32(word >> 9u) + 0.5) / 8388608.0;
}

// A whole number below n: the high word of word·n.
fn below(word: u32, n: u32) -> u32 {
  return mul_wide(word, n).y;
}

// Whether a pixel is lit, with the probability byte / 255: word / 2²⁴ < byte / 255, in integers: exact, and the same everywhere.
fn lit(word: u32, byte: u32) -> bool {
  return (word >> 8u) * 255u < byte << 24u;
}
