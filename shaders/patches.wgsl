// Images x: [images, h, w, c] and their patches u: [images, oh, ow, kh, kw, c].
// Unfold: u[b, oy, ox, ky, kx, c] = x[b, oy sy + ky - py, ox sx + kx - px, c], 0 where x has no such pixel. Fold, its
// adjoint: x[b, iy, ix, c] = sum of u[b, oy, ox, iy + py - oy sy, ix + px - ox sx, c] over the oy, ox that have such a tap.
#import index

override OP: u32 = 0u;
override WG: u32 = 64u;

struct Params {
  n: u32,
  h: u32,
  w: u32,
  c: u32,
  oh: u32,
  ow: u32,
  kh: u32,
  kw: u32,
  sy: u32,
  sx: u32,
  py: u32,
  px: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;

// Along a row of taps the channels of neighbouring pixels follow one another, in x as in u. What is left of 0 is, modulo
// 2^32, beyond the end.
fn unfold(i: u32) -> f32 {
  let row = p.kw * p.c;
  let tap = i / row;
  let place = tap / p.kh;
  let line = place / p.ow;
  let iy = line % p.oh * p.sy + tap % p.kh - p.py;
  let at = (place % p.ow * p.sx - p.px) * p.c + i % row;
  if iy >= p.h || at >= p.w * p.c { return 0.0; }
  return x[(line / p.oh * p.h + iy) * p.w * p.c + at];
}

// The patches along one axis that have the place a, counted from the first tap of the first: x .. y.
fn patches(a: u32, kernel: u32, stride: u32, count: u32) -> vec2u {
  var first = 0u;
  if a >= kernel { first = (a - kernel) / stride + 1u; }
  return vec2u(first, min(a / stride + 1u, count));
}

fn fold(i: u32) -> f32 {
  let c = i % p.c;
  let pixel = i / p.c;
  let ax = pixel % p.w + p.px;
  let ay = pixel / p.w % p.h + p.py;
  let image = pixel / p.w / p.h;
  let rows = patches(ay, p.kh, p.sy, p.oh);
  let columns = patches(ax, p.kw, p.sx, p.ow);
  var sum = 0.0;
  for (var oy = rows.x; oy < rows.y; oy++) {
    for (var ox = columns.x; ox < columns.y; ox++) {
      let place = (image * p.oh + oy) * p.ow + ox;
      sum += x[((place * p.kh + ay - oy * p.sy) * p.kw + ax - ox * p.sx) * p.c + c];
    }
  }
  return sum;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = flat_index(w, groups, l, WG);
  if i >= p.n { return; }
  switch OP {
    case 0u: { y[i] = unfold(i); }
    default: { y[i] = fold(i); }
  }
}
