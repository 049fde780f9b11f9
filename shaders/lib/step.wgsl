// What changes from step to step: one row of the step table, StepRow in src/kernels/kernel.rs.
struct Step {
  step: u32,
  row: u32,
  first: u32,
  reserved: u32,
  seed: vec2u,
  reserved2: vec2u,
  scalars: array<vec4f, 14>,
}
