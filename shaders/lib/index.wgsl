// One linear index for grids that were folded into two dimensions: a dimension holds 65,535 workgroups at most.

// The index of a workgroup, before folding.
fn flat_group(w: vec3u, groups: vec3u) -> u32 {
  return w.y * groups.x + w.x;
}

// The index of an invocation: workgroup, number of workgroups, invocation in the group, size of the group.
fn flat_index(w: vec3u, groups: vec3u, l: u32, size: u32) -> u32 {
  return flat_group(w, groups) * size + l;
}
