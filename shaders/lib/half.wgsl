// binary16: two numbers to a word, the first in its low half.

// The number that is first or second in a word, as `at` is even or odd. On integers, as not every device has the builtins; no
// subnormal stands in memory.
fn half_at(word: u32, at: u32) -> f32 {
  let h = (word >> (16u * (at & 1u))) & 0xffffu;
  let size = h & 0x7fffu;
  var bits = (size << 13u) + 0x38000000u;
  if size == 0u { bits = 0u; }
  if size >= 0x7c00u { bits = (size << 13u) | 0x7f800000u; }
  return bitcast<f32>(bits | ((h & 0x8000u) << 16u));
}

// The nearest binary16, of two the even one, on integers, as devices round in different ways; 0 below 2^-14, the smallest normal
// one; infinite from 65520 on, and NaN kept.
fn half_of(v: f32) -> u32 {
  let bits = bitcast<u32>(v);
  let sign = (bits >> 16u) & 0x8000u;
  let size = bits & 0x7fffffffu;
  let rounded = size + 0xfffu + ((size >> 13u) & 1u);
  var h = (rounded - 0x38000000u) >> 13u;
  if size < 0x38800000u { h = 0u; }
  if rounded >= 0x47800000u { h = 0x7c00u; }
  if size > 0x7f800000u { h = 0x7e00u; }
  return sign | h;
}

// Two numbers in a word.
fn halves(first: f32, second: f32) -> u32 {
  return half_of(first) | (half_of(second) << 16u);
}
