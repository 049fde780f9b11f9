// A program of elementwise functions over x0 … x4 in one pass, run by run of consecutive elements: registers 0 … 4 hold the
// inputs at i (element (i / d) % m of each), registers 5 … 20 what the instructions I0 … I15 make of earlier ones. Written
// are up to two registers, y0 and y1: [n], and scale times the sum of one over each run, sums: [n / run]. run divides n.
// LANES neighbours share a run, each every LANES-th of its elements.
#import index
#import program

// Inputs that are read; the others bind the first again.
override INS: u32;
// Bit j: element i reads element i of input j. (A division an element costs more than most functions.)
override FULL: u32;
// Outputs that are written, and the registers that go there.
override OUTS: u32;
override Y0: u32;
override Y1: u32;
// Whether there are sums, and of which register.
override SUMS: u32;
override S: u32;
override I0: u32;
override I1: u32;
override I2: u32;
override I3: u32;
override I4: u32;
override I5: u32;
override I6: u32;
override I7: u32;
override I8: u32;
override I9: u32;
override I10: u32;
override I11: u32;
override I12: u32;
override I13: u32;
override I14: u32;
override I15: u32;
override WG: u32 = 64u;
override LANES: u32 = 1u;
struct Params {
  n: u32,
  run: u32,
  scale: f32,
  d0: u32,
  m0: u32,
  d1: u32,
  m1: u32,
  d2: u32,
  m2: u32,
  d3: u32,
  m3: u32,
  d4: u32,
  m4: u32,
  a0: f32,
  b0: f32,
  a1: f32,
  b1: f32,
  a2: f32,
  b2: f32,
  a3: f32,
  b3: f32,
  a4: f32,
  b4: f32,
  a5: f32,
  b5: f32,
  a6: f32,
  b6: f32,
  a7: f32,
  b7: f32,
  a8: f32,
  b8: f32,
  a9: f32,
  b9: f32,
  a10: f32,
  b10: f32,
  a11: f32,
  b11: f32,
  a12: f32,
  b12: f32,
  a13: f32,
  b13: f32,
  a14: f32,
  b14: f32,
  a15: f32,
  b15: f32,
}

@group(0) @binding(0) var<storage, read> x0: array<f32>;
@group(0) @binding(1) var<storage, read> x1: array<f32>;
@group(0) @binding(2) var<storage, read> x2: array<f32>;
@group(0) @binding(3) var<storage, read> x3: array<f32>;
@group(0) @binding(4) var<storage, read> x4: array<f32>;
@group(0) @binding(5) var<storage, read_write> y0: array<f32>;
@group(0) @binding(6) var<storage, read_write> y1: array<f32>;
@group(0) @binding(7) var<storage, read_write> sums: array<f32>;
@group(0) @binding(8) var<uniform> p: Params;
@group(0) @binding(9) var<uniform> step: Step;

// The element of input j that element i reads.
fn place(j: u32, i: u32, d: u32, m: u32) -> u32 {
  if ((FULL >> j) & 1u) != 0u { return i; }
  return (i / d) % m;
}

var<workgroup> parts: array<f32, 256>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) l: u32) {
  let runs = WG / LANES;
  let c = flat_group(w, groups) * runs + l / LANES;
  let is = c < p.n / p.run;
  let last = select(0u, (c + 1u) * p.run, is);
  var s = 0.0;
  for (var i = c * p.run + l % LANES; i < last; i += LANES) {
    var r: array<f32, 21>;
    r[0] = x0[place(0u, i, p.d0, p.m0)];
    if INS > 1u { r[1] = x1[place(1u, i, p.d1, p.m1)]; }
    if INS > 2u { r[2] = x2[place(2u, i, p.d2, p.m2)]; }
    if INS > 3u { r[3] = x3[place(3u, i, p.d3, p.m3)]; }
    if INS > 4u { r[4] = x4[place(4u, i, p.d4, p.m4)]; }
    r[5] = step_(I0, r[left(I0)], r[right(I0)], p.a0, p.b0);
    r[6] = step_(I1, r[left(I1)], r[right(I1)], p.a1, p.b1);
    r[7] = step_(I2, r[left(I2)], r[right(I2)], p.a2, p.b2);
    r[8] = step_(I3, r[left(I3)], r[right(I3)], p.a3, p.b3);
    r[9] = step_(I4, r[left(I4)], r[right(I4)], p.a4, p.b4);
    r[10] = step_(I5, r[left(I5)], r[right(I5)], p.a5, p.b5);
    r[11] = step_(I6, r[left(I6)], r[right(I6)], p.a6, p.b6);
    r[12] = step_(I7, r[left(I7)], r[right(I7)], p.a7, p.b7);
    r[13] = step_(I8, r[left(I8)], r[right(I8)], p.a8, p.b8);
    r[14] = step_(I9, r[left(I9)], r[right(I9)], p.a9, p.b9);
    r[15] = step_(I10, r[left(I10)], r[right(I10)], p.a10, p.b10);
    r[16] = step_(I11, r[left(I11)], r[right(I11)], p.a11, p.b11);
    r[17] = step_(I12, r[left(I12)], r[right(I12)], p.a12, p.b12);
    r[18] = step_(I13, r[left(I13)], r[right(I13)], p.a13, p.b13);
    r[19] = step_(I14, r[left(I14)], r[right(I14)], p.a14, p.b14);
    r[20] = step_(I15, r[left(I15)], r[right(I15)], p.a15, p.b15);
    if OUTS > 0u { y0[i] = r[Y0]; }
    if OUTS > 1u { y1[i] = r[Y1]; }
    s += r[S];
  }
  if SUMS == 0u { return; }
  if LANES > 1u {
    parts[l] = s;
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
      workgroupBarrier();
      if l % LANES < half { parts[l] += parts[l + half]; }
    }
    s = parts[l];
  }
  if is && l % LANES == 0u { sums[c] = p.scale * s; }
}
