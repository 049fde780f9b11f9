// A tile of a product in the memory of a workgroup of 256 invocations, which share it by `side`, one of 16, 8, 4 and 2:
// side × side invocations compute a tile of 4 side × 4 side, 4 × 4 sums each, and (16 / side)² slices of them share the
// terms. A round brings 256 / side terms of all its rows and columns, four of a row's or a column's neighbours an invocation,
// so that each slice adds side terms. Small tiles are for small products, of which large ones would leave a GPU idle.

// [term][four rows] from 0, [term][four columns] from 512: one four more to a term than there are, so that invocations do not
// meet in a bank. At the end [slice][row][four columns].
var<workgroup> tiles: array<vec4f, 1024>;

const COLUMNS = 512u;

// Where an invocation keeps four neighbours of a term.
fn kept(side: u32, term: u32, four: u32) -> u32 {
  return term * (side + 1u) + four;
}

// The sums of an invocation, a column of them a row of the tile, and the products of a round.
fn multiplied(side: u32, l: u32, before: mat4x4f) -> mat4x4f {
  var s0 = before[0];
  var s1 = before[1];
  var s2 = before[2];
  var s3 = before[3];
  let first = l / (side * side) * side * (side + 1u);
  let row = first + l / side % side;
  let column = COLUMNS + first + l % side;
  for (var t = 0u; t < side; t++) {
    let a = tiles[row + t * (side + 1u)];
    let b = tiles[column + t * (side + 1u)];
    s0 += a.x * b;
    s1 += a.y * b;
    s2 += a.z * b;
    s3 += a.w * b;
  }
  return mat4x4f(s0, s1, s2, s3);
}

// Puts the sums of an invocation where `joined` finds them.
fn spread(side: u32, l: u32, sums: mat4x4f) {
  let slice = l / (side * side);
  let at = (slice * 4u * side + l / side % side * 4u) * side + l % side;
  tiles[at] = sums[0];
  tiles[at + side] = sums[1];
  tiles[at + 2u * side] = sums[2];
  tiles[at + 3u * side] = sums[3];
}

// Four neighbours of a row of the tile, e of 4 side², all slices added up.
fn joined(side: u32, e: u32) -> vec4f {
  var sum = tiles[e];
  for (var at = e + 4u * side * side; at < 1024u; at += 4u * side * side) { sum += tiles[at]; }
  return sum;
}
