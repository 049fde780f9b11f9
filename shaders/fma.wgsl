// y[i] = Σ_c v_c, where v_c = x[i] + c, c < 8, and then 16 k times v_c ← a v_c + b; x, y: [n, 4]. What a device's
// arithmetic can do at best: 32 independent chains an invocation, and no memory between. 16 links of a chain an iteration,
// so that the loop itself, and what a driver keeps in memory from turn to turn, weigh little.
#import index

override WG: u32 = 64u;

struct Params {
  n: u32,
  k: u32,
  a: f32,
  b: f32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<uniform> p: Params;

fn four(v: vec4f, a: vec4f, b: vec4f) -> vec4f {
  return fma(fma(fma(fma(v, a, b), a, b), a, b), a, b);
}

fn sixteen(v: vec4f, a: vec4f, b: vec4f) -> vec4f {
  return four(four(four(four(v, a, b), a, b), a, b), a, b);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = flat_index(w, groups, l, WG);
  if i >= p.n { return; }
  let a = vec4f(p.a);
  let b = vec4f(p.b);
  var v0 = x[i];
  var v1 = v0 + 1.0;
  var v2 = v0 + 2.0;
  var v3 = v0 + 3.0;
  var v4 = v0 + 4.0;
  var v5 = v0 + 5.0;
  var v6 = v0 + 6.0;
  var v7 = v0 + 7.0;
  for (var q = 0u; q < p.k; q++) {
    v0 = sixteen(v0, a, b);
    v1 = sixteen(v1, a, b);
    v2 = sixteen(v2, a, b);
    v3 = sixteen(v3, a, b);
    v4 = sixteen(v4, a, b);
    v5 = sixteen(v5, a, b);
    v6 = sixteen(v6, a, b);
    v7 = sixteen(v7, a, b);
  }
  y[i] = v0 + v1 + v2 + v3 + v4 + v5 + v6 + v7;
}
