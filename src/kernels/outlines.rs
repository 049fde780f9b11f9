//! What the kernel `sprites` looks up: the outlines of a square, an ellipse and a heart, and 40 rotations, as integers, so
//! that every device draws the same pixels.
//!
//! An outline is star-shaped, and symmetric in u. The half-plane u ≥ 0 is cut by rays into [`BINS`] bins: octant, then the
//! ratio of the smaller of u and |v| to the larger, in steps of 1/[`STEPS`]. In a bin the outline is one edge, between its
//! points on both rays: (u, v) is inside where A·u + B·v ≤ H.

use std::sync::OnceLock;

/// Sides of a picture, in pixels.
pub const SIDE: usize = 64;
/// Classes of colour, shape, scale, orientation, x and y: dSprites' factors (Matthey et al. 2017), in its order.
pub const FACTORS: [usize; 6] = [1, 3, 6, 40, 32, 32];
/// Pictures of the grid, ∏ [`FACTORS`].
pub const COUNT: usize = 737_280;
/// Units a pixel of a place: positions are 32·p/31 pixels apart, samples stand at odd sixteenths, so both are integers.
pub const UNITS: i32 = 16 * 31;
/// Rotated coordinates are as many times finer.
pub const FINER: i32 = 4;
/// cos and sin are multiples of 1/TURN.
pub const TURN: i32 = 1 << 14;
/// Normals of edges have about this length.
const NORMAL: f64 = 4096.0;
/// Ratios an octant.
pub const STEPS: usize = 128;
/// Bins of an outline: four octants.
pub const BINS: usize = 4 * STEPS;

/// Where the reaches begin, a pair a shape: of no point of the outline is the distance from the centre, in
/// [`UNITS`] at scale 1, below the first or above the second.
pub const REACHES: usize = 2 * FACTORS[3];
/// Where the edges begin, (A, B, H) a bin, shape after shape.
pub const EDGES: usize = REACHES + 2 * FACTORS[1];
/// Words of the table.
pub const WORDS: usize = EDGES + 3 * BINS * FACTORS[1];

/// Half the side of the square, in pixels at scale 1.
const HALF_SIDE: f64 = 10.0;
/// Half the axes of the ellipse.
const AXES: [f64; 2] = [13.15, 7.65];
/// The right half of the heart, from the notch at the top to the tip.
const HEART: [[f64; 2]; 37] = [
    [0.0, -6.02],
    [0.68, -7.73],
    [1.51, -8.56],
    [2.47, -9.21],
    [3.51, -9.64],
    [4.56, -9.78],
    [5.60, -9.70],
    [6.59, -9.41],
    [7.49, -8.93],
    [8.30, -8.30],
    [8.98, -7.54],
    [9.50, -6.65],
    [9.83, -5.68],
    [9.99, -4.66],
    [9.99, -3.64],
    [9.83, -2.64],
    [9.53, -1.68],
    [9.12, -0.80],
    [8.63, 0.0],
    [8.11, 0.71],
    [7.60, 1.34],
    [7.10, 1.90],
    [6.62, 2.41],
    [6.17, 2.87],
    [5.72, 3.31],
    [5.28, 3.70],
    [4.85, 4.07],
    [4.45, 4.45],
    [4.06, 4.84],
    [3.67, 5.24],
    [3.26, 5.65],
    [2.84, 6.08],
    [2.39, 6.55],
    [1.89, 7.07],
    [1.36, 7.73],
    [0.78, 8.87],
    [0.0, 10.27],
];

/// The table, made once: cos and sin of the orientations, 2πk/39, then the reaches, then the edges; two's complement.
pub fn table() -> &'static [u32] {
    static TABLE: OnceLock<Vec<u32>> = OnceLock::new();
    TABLE.get_or_init(make)
}

fn make() -> Vec<u32> {
    let mut t = Vec::with_capacity(WORDS);
    for k in 0..FACTORS[3] {
        let angle = std::f64::consts::TAU * k as f64 / (FACTORS[3] - 1) as f64;
        t.extend([angle.cos(), angle.sin()].map(|v| (v * f64::from(TURN)).round() as i32 as u32));
    }
    let shapes: Vec<Vec<[[f64; 2]; 2]>> =
        (0..FACTORS[1]).map(|shape| (0..BINS).map(|bin| edge(shape, bin)).collect()).collect();
    for edges in &shapes {
        let distances = || edges.iter().flatten().map(|[u, v]| u.hypot(*v) * f64::from(UNITS));
        // An edge comes nearer than its ends by less than a unit; what is rounded, by another.
        let (near, far) = (distances().fold(f64::MAX, f64::min) - 2.0, distances().fold(0.0, f64::max) + 2.0);
        t.extend([near as u32, far.ceil() as u32]);
    }
    for [[u0, v0], [u1, v1]] in shapes.into_iter().flatten() {
        let (du, dv) = (u1 - u0, v1 - v0);
        // Of the two normals the one away from the centre.
        let sign = (dv * u0 - du * v0).signum();
        let [a, b] = [dv, -du].map(|n| (sign * NORMAL * n / du.hypot(dv)).round());
        let middle = (a * (u0 + u1) + b * (v0 + v1)) / 2.0;
        let h = (middle * f64::from(UNITS * FINER)).round();
        t.extend([a, b, h].map(|v| v as i32 as u32));
    }
    t
}

/// The points of an outline on the two rays of a bin.
fn edge(shape: usize, bin: usize) -> [[f64; 2]; 2] {
    let ray = |step: usize| {
        let ratio = step as f64 / STEPS as f64;
        let v = if bin / STEPS >= 2 { 1.0 } else { -1.0 };
        let [u, v] = if bin / STEPS % 2 == 1 { [1.0, ratio * v] } else { [ratio, v] };
        let r = radius(shape, u, v);
        [r * u, r * v]
    };
    [ray(bin % STEPS), ray(bin % STEPS + 1)]
}

/// r > 0 for which r·(u, v) is on the outline.
fn radius(shape: usize, u: f64, v: f64) -> f64 {
    match shape {
        0 => HALF_SIDE / u.abs().max(v.abs()),
        1 => 1.0 / (u / AXES[0]).hypot(v / AXES[1]),
        _ => {
            let cross = |p: [f64; 2], q: [f64; 2]| p[0] * q[1] - p[1] * q[0];
            let hit = HEART.windows(2).find_map(|e| {
                let along = [e[1][0] - e[0][0], e[1][1] - e[0][1]];
                let r = cross(e[0], along) / cross([u, v], along);
                let place = cross(e[0], [u, v]) / cross([u, v], along);
                (r > 0.0 && (-1e-9..=1.0 + 1e-9).contains(&place)).then_some(r)
            });
            hit.expect("the heart is star-shaped: every ray meets its outline")
        }
    }
}

/// The classes of a picture, in the order of [`FACTORS`]; y varies fastest.
pub fn classes(index: u32) -> [u32; 6] {
    let mut rest = index;
    let mut classes = [0; 6];
    for (class, n) in classes.iter_mut().zip(FACTORS).rev() {
        (*class, rest) = (rest % n as u32, rest / n as u32);
    }
    classes
}

/// The place of a picture in the grid: classes · (737280, 245760, 40960, 1024, 32, 1).
pub fn index(classes: [u32; 6]) -> u32 {
    classes.iter().zip(FACTORS).fold(0, |index, (class, n)| index * n as u32 + class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_classes_are_each_others_inverse() {
        assert_eq!(FACTORS.iter().product::<usize>(), COUNT);
        let strides: [u32; 6] = [737_280, 245_760, 40_960, 1024, 32, 1];
        for place in (0..COUNT as u32).step_by(997) {
            let c = classes(place);
            assert_eq!(c.iter().zip(strides).map(|(c, s)| c * s).sum::<u32>(), place);
            assert_eq!(index(c), place);
        }
        assert_eq!(classes(COUNT as u32 - 1), [0, 2, 5, 39, 31, 31]);
    }

    #[test]
    fn the_table_closes_the_turn_and_holds_the_square_exactly() {
        let t = table();
        assert_eq!(t.len(), WORDS);
        assert_eq!((&t[..2], &t[78..80]), (&[1 << 14, 0][..], &t[..2]), "2π is 0");
        let square: Vec<i32> = t[EDGES..][..3 * BINS].iter().map(|w| *w as i32).collect();
        for (bin, e) in square.chunks(3).enumerate() {
            let h = 4096 * UNITS * FINER * 10;
            let wanted = [[0, -4096, h], [4096, 0, h], [0, 4096, h], [4096, 0, h]][bin / STEPS];
            assert_eq!(e, wanted, "bin {bin}");
        }
    }
}
