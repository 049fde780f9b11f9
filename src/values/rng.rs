//! Philox4x32-10 (Salmon et al. 2011): random integers without state, the same here and in `shaders/lib/rng.wgsl`.
//!
//! A block of four words is a pure function of (seed; stream, step, block). `stream` names *what* is drawn (the hash
//! of a scope path and an ordinal), `step` says *when*, `block` *which*; so draws do not depend on the order of work,
//! on the device, or on what else a graph draws.

const M0: u32 = 0xD251_1F53;
const M1: u32 = 0xCD9E_8D57;
const W0: u32 = 0x9E37_79B9;
const W1: u32 = 0xBB67_AE85;

/// The generator for one (seed, stream, step).
#[derive(Clone, Copy, Debug)]
pub struct Philox {
    seed: u64,
    stream: u64,
    step: u32,
}

impl Philox {
    /// A generator of the blocks of one stream at one step.
    pub fn new(seed: u64, stream: u64, step: u32) -> Self {
        Self { seed, stream, step }
    }

    /// Words 4·block … 4·block + 3 of the stream.
    #[inline]
    pub fn block(&self, block: u32) -> [u32; 4] {
        philox4x32_10(
            [block, self.step, self.stream as u32, (self.stream >> 32) as u32],
            [self.seed as u32, (self.seed >> 32) as u32],
        )
    }

    /// A seed for what has a stream, and a time, of its own: the first two words of a block.
    pub fn seed(&self, block: u32) -> u64 {
        let [low, high, ..] = self.block(block);
        u64::from(low) | u64::from(high) << 32
    }

    /// The `N` blocks from `first` on, as N words of each place: the loop over them vectorises.
    #[inline(always)]
    pub fn blocks<const N: usize>(&self, first: u32) -> [[u32; N]; 4] {
        let [mut c0, mut c1, mut c2, mut c3] =
            [[0; N], [self.step; N], [self.stream as u32; N], [(self.stream >> 32) as u32; N]];
        (0..N).for_each(|i| c0[i] = first.wrapping_add(i as u32));
        let mut k = [self.seed as u32, (self.seed >> 32) as u32];
        let product = |m: u32, c: &[u32; N]| {
            let (mut high, mut low) = ([0; N], [0; N]);
            for i in 0..N {
                let p = u64::from(m) * u64::from(c[i]);
                (high[i], low[i]) = ((p >> 32) as u32, p as u32);
            }
            (high, low)
        };
        for round in 0..10 {
            if round > 0 {
                k = [k[0].wrapping_add(W0), k[1].wrapping_add(W1)];
            }
            let ((h0, l0), (h1, l1)) = (product(M0, &c0), product(M1, &c2));
            for i in 0..N {
                c0[i] = h1[i] ^ c1[i] ^ k[0];
                c2[i] = h0[i] ^ c3[i] ^ k[1];
            }
            (c1, c3) = (l1, l0);
        }
        [c0, c1, c2, c3]
    }

    /// Word `i` of the stream.
    #[inline]
    pub fn word(&self, i: u64) -> u32 {
        self.block((i / 4) as u32)[(i % 4) as usize]
    }

    /// Word `i` as a uniform real, see [`unit`].
    #[inline]
    pub fn unit(&self, i: u64) -> f64 {
        unit(self.word(i))
    }
}

/// A word as a uniform real, ((word >> 9) + ½) / 2²³: never 0, never 1, and exact in f32.
#[inline]
pub fn unit(word: u32) -> f64 {
    (f64::from(word >> 9) + 0.5) / f64::from(1u32 << 23)
}

/// A whole number below n: the high word of word·n.
#[inline]
pub fn below(word: u32, n: u32) -> u32 {
    ((u64::from(word) * u64::from(n)) >> 32) as u32
}

/// Whether a pixel is lit, with the probability byte / 255: word / 2²⁴ < byte / 255, in integers: exact, and the same
/// everywhere.
#[inline]
pub fn lit(word: u32, byte: u32) -> bool {
    (word >> 8) * 255 < byte << 24
}

/// Ten rounds of Philox4x32 on a counter and a key.
#[inline]
pub fn philox4x32_10(mut c: [u32; 4], mut k: [u32; 2]) -> [u32; 4] {
    for round in 0..10 {
        if round > 0 {
            k = [k[0].wrapping_add(W0), k[1].wrapping_add(W1)];
        }
        let p0 = u64::from(M0) * u64::from(c[0]);
        let p1 = u64::from(M1) * u64::from(c[2]);
        c = [(p1 >> 32) as u32 ^ c[1] ^ k[0], p1 as u32, (p0 >> 32) as u32 ^ c[3] ^ k[1], p0 as u32];
    }
    c
}

/// The stream of the `ordinal`-th draw under `path`: FNV-1a, 64 bits, of "path#ordinal".
pub fn stream(path: &str, ordinal: usize) -> u64 {
    let fnv = |h: u64, b: u8| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01B3);
    format!("{path}#{ordinal}").bytes().fold(0xCBF2_9CE4_8422_2325, fnv)
}

/// A uniform permutation of 0..n by Fisher-Yates; word i decides the i-th swap (bias below n/2³²).
pub fn permutation(n: usize, rng: Philox) -> Vec<u32> {
    let mut p: Vec<u32> = (0..n as u32).collect();
    let mut block = [0; 4];
    for (draw, i) in (1..n).rev().enumerate() {
        if draw % 4 == 0 {
            block = rng.block((draw / 4) as u32);
        }
        let j = (u64::from(block[draw % 4]) * (i as u64 + 1)) >> 32;
        p.swap(i, j as usize);
    }
    p
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers of Random123's kat_vectors for philox4x32, 10 rounds.
    #[test]
    fn random123_known_answers() {
        assert_eq!(philox4x32_10([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox4x32_10([!0; 4], [!0; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox4x32_10([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn many_blocks_are_one_by_one() {
        let rng = Philox::new(0x0123_4567_89AB_CDEF, stream("x", 3), 7);
        let first = u32::MAX - 5;
        let many = rng.blocks::<16>(first);
        for i in 0..16 {
            assert_eq!(many.map(|words| words[i]), rng.block(first.wrapping_add(i as u32)), "block {i}");
        }
    }

    #[test]
    fn a_permutation_holds_every_index_once_and_depends_on_the_step() {
        let p = permutation(1000, Philox::new(7, stream("shuffle", 0), 0));
        let mut sorted = p.clone();
        sorted.sort_unstable();
        assert!(sorted.iter().enumerate().all(|(i, &v)| i == v as usize));
        assert_ne!(p, permutation(1000, Philox::new(7, stream("shuffle", 0), 1)));
        let fixed = p.iter().enumerate().filter(|&(i, &v)| i == v as usize).count();
        assert!(fixed < 12, "{fixed} fixed points, 1 expected");
    }

    #[test]
    fn streams_differ_by_path_and_by_ordinal() {
        assert_ne!(stream("a", 0), stream("a", 1));
        assert_ne!(stream("a", 0), stream("b", 0));
    }
}
