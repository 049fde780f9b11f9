//! Vector quantisation: vectors z, of which each is replaced by the nearest entry of a codebook (van den Oord et al. 2017,
//! §3), whose entries are moving averages of what they stand for (appendix A.1) or parameters.
//!
//! With several books the dimensions of a vector are divided among them, and each part has a code of its own.

use super::Scope;
use crate::config::{Codebook, Schedule, Start, Update};
use crate::graph::{Axes, BATCH, FEATURES, Init, StateId, Tensor};
use crate::nn::Mode;
use crate::values::Shape;

/// Rounds of k-means after entries were chosen at random.
const ROUNDS: u64 = 10;
/// Laplace smoothing of the sizes, in vectors.
const SMOOTHING: f64 = 1e-5;
/// An entry that has less than this share of an even use, and is not replaced, stays where it is: its sums are too small to
/// divide.
const IDLE: f64 = 1e-3;

/// Vectors and the entries that stand for them.
#[derive(Clone, Copy)]
pub struct Quantized<'g> {
    /// z: \[batch, …, dimensions\].
    z: Tensor<'g>,
    /// The same, divided among the books: \[n, books, d\].
    rows: Tensor<'g>,
    /// The entries: \[books, entries, d\].
    book: Tensor<'g>,
    /// The entry of each vector: \[n, books\], whole numbers.
    pub index: Tensor<'g>,
    /// e, the entries in the shape of z: \[batch, …, dimensions\].
    pub entries: Tensor<'g>,
}

/// Of each z \[batch, …, dimensions\] the entry with the least ‖z − e‖², at a tie the first.
#[track_caller]
pub fn quantize<'g>(net: &Scope<'g>, z: Tensor<'g>, c: &Codebook) -> Quantized<'g> {
    assert_eq!(z.shape().last(), c.dimensions, "vectors of {} are quantised", z.shape());
    net.within(|| {
        let (n, d) = (z.len() / c.dimensions, c.dimensions / c.books);
        let rows = z.reshape(&[n, c.books, d]);
        let book = book(net, c);
        let index = nearest(rows, book);
        let entries = book.gather(index).reshape(z.shape().dims()).in_batch(z.batch_axis());
        Quantized { z, rows, book, index, entries }
    })
}

/// The entries of an index \[…, books\]: \[…, dimensions\].
#[track_caller]
pub fn embed<'g>(net: &Scope<'g>, index: Tensor<'g>, c: &Codebook) -> Tensor<'g> {
    net.within(|| {
        let entries = book(net, c).gather(index);
        let mut dims = index.shape().dims().to_vec();
        *dims.last_mut().expect("an index has books") = c.dimensions;
        entries.reshape(&dims).in_batch(index.batch_axis())
    })
}

/// \[books, entries, d\]: state, or a parameter.
fn book<'g>(net: &Scope<'g>, c: &Codebook) -> Tensor<'g> {
    let dims = [c.books, c.entries, c.dimensions / c.books];
    match c.update {
        Update::Ema => net.graph().read(net.state("codebook", &dims)),
        Update::Gradient => net.param("codebook", &dims, Init::Uniform { bound: 1.0 / c.entries as f64 }),
    }
}

/// The first k that minimises ‖z − eₖ‖²: \[n, books, d\] by \[books, entries, d\] → \[n, books\].
///
/// ‖z‖² is the same for all k, so that it is the largest z·eₖ − ½‖eₖ‖², one product with a bias; equal entries have equal
/// scores. How close a worse entry may come is a matter of rounding, some 10⁻⁶(‖z‖‖e‖ + ‖e‖²).
fn nearest<'g>(rows: Tensor<'g>, book: Tensor<'g>) -> Tensor<'g> {
    let ([n, books, d], k) = ([rows.shape()[0], rows.shape()[1], rows.shape()[2]], book.shape()[1]);
    let half = book.square().sum(Axes::Numbered(2, 3)) * -0.5;
    let score = match books {
        // As a plain product the bias is added where it is made.
        1 => rows.reshape(&[n, d]).matmul_as(book.reshape(&[k, d]), false, true) + half.reshape(&[k]),
        _ => rows.permute(&[1, 0, 2]).matmul_as(book, false, true) + half.reshape(&[books, 1, k]),
    };
    let best = score.argmax();
    if books == 1 { best.reshape(&[n, 1]) } else { best.permute(&[1, 0]) }
}

impl<'g> Quantized<'g> {
    /// e, with the gradient of z in its place: z + sg\[e − z\]. Where nothing trains, e to the last bit.
    pub fn straight_through(&self, mode: Mode) -> Tensor<'g> {
        match mode {
            Mode::Train => self.z + (self.entries - self.z).detach(),
            Mode::Evaluate => self.entries,
        }
    }

    /// ‖z − sg\[e\]‖², summed over the vectors of an example, averaged over the batch: scalar.
    pub fn commitment(&self) -> Tensor<'g> {
        (self.z - self.entries.detach()).square().sum(FEATURES).mean(BATCH)
    }

    /// ‖sg\[z\] − e‖², alike: scalar. What moves entries that are parameters.
    pub fn codebook_loss(&self) -> Tensor<'g> {
        (self.z.detach() - self.entries).square().sum(FEATURES).mean(BATCH)
    }

    /// e^H of the use that the batch makes of the entries, H = −Σ p ln(p + 10⁻¹⁰), p the shares of the entries; the mean over
    /// the books: scalar. It grows with the batch: how many entries a set uses is another question.
    pub fn perplexity(&self) -> Tensor<'g> {
        let p = self.counts() * (1.0 / self.rows.shape()[0] as f64);
        let entropy = -(p * (p + 1e-10).ln()).sum(Axes::Numbered(1, 2));
        entropy.exp().mean(Axes::All)
    }

    /// How many vectors of the batch each entry stands for: \[books, entries\].
    fn counts(&self) -> Tensor<'g> {
        let (n, [books, k]) = (self.rows.shape()[0], self.extents());
        let ones = self.index.like(1.0).reshape(&[n, books, 1]);
        ones.segment_sum(self.index, Shape::new(&[books, k, 1])).reshape(&[books, k])
    }

    fn extents(&self) -> [usize; 2] {
        [self.book.shape()[0], self.book.shape()[1]]
    }

    /// As many vectors of the batch as there are entries, each chosen at random: \[books, entries, d\].
    fn chosen(&self, net: &Scope<'g>) -> Tensor<'g> {
        let ([books, k], n, d) = (self.extents(), self.rows.shape()[0], self.rows.shape()[2]);
        let index = net.below(&[1, k, books], n).reshape(&[k, books]);
        match books {
            1 => self.rows.reshape(&[n, d]).gather(index.reshape(&[k])).reshape(&[1, k, d]),
            _ => self.rows.permute(&[1, 0, 2]).gather(index).permute(&[1, 0, 2]),
        }
    }

    /// The step of the moving averages, after the lookup, of a book that is state; nothing of one that is not:
    ///
    /// N ← γN + (1 − γ)n,  m ← γm + (1 − γ)Σz,  e = m/Ñ,  Ñ = (N + ε)/(ΣN + Kε)·ΣN
    ///
    /// with n the vectors of each entry, and Σz their sum. Ñ is not written back. An entry whose N falls below `dead` of an
    /// even use n̄ = Σn/K becomes a vector of the batch, with N = n̄.
    pub fn update(&self, net: &Scope<'g>, c: &Codebook) {
        if c.update == Update::Gradient {
            return;
        }
        net.within(|| {
            let ([books, k], even) = (self.extents(), self.rows.shape()[0] as f64 / self.book.shape()[1] as f64);
            let Averages { book, size, sum } = Averages::of(net, self.book.shape());
            let over_entries = |t: Tensor<'g>| t.reshape(&[books, k, 1]);
            let n = self.counts();
            let sums = self.rows.segment_sum(self.index, self.book.shape());
            let moved = |s: StateId, now: Tensor<'g>| net.graph().read(s) * c.decay + now * (1.0 - c.decay);
            let (mut size_now, mut sum_now) = (moved(size, n), moved(sum, sums));
            let all = size_now.sum(Axes::Numbered(1, 2)).reshape(&[books, 1]);
            let smoothed = (size_now + SMOOTHING) / (all + k as f64 * SMOOTHING) * all;
            let mut entries = sum_now / over_entries(smoothed);
            if c.dead > 0.0 {
                let dead = size_now.like(c.dead * even).greater(size_now);
                let (vectors, alive) = (self.chosen(&(net / "replace")), 1.0 - dead);
                let replaced = |t: Tensor<'g>, by: Tensor<'g>| t * over_entries(alive) + by * over_entries(dead);
                entries = replaced(entries, vectors);
                sum_now = replaced(sum_now, vectors * even);
                size_now = size_now * alive + dead * even;
            } else {
                let idle = over_entries(size_now.like(IDLE * even).greater(size_now));
                entries = entries * (1.0 - idle) + self.book * idle;
            }
            for (state, value) in [(book, entries), (size, size_now), (sum, sum_now)] {
                net.graph().assign(state, value);
            }
            let age = net.state("age", &[books, k]);
            // How many steps ago an entry was last used, at the end of a step that used it 0.
            net.graph().assign(age, (net.graph().read(age) + 1.0) * (1.0 - n.step()));
        });
    }

    /// One of the [`rounds`] before the first step: entries are chosen at random, then k-means goes on from them; an entry
    /// that no vector is nearest to is chosen anew.
    pub fn begin(&self, net: &Scope<'g>, c: &Codebook) {
        let draws = net / "begin";
        net.within(|| {
            let ([books, k], even) = (self.extents(), self.rows.shape()[0] as f64 / self.book.shape()[1] as f64);
            let entries = match c.start {
                Start::Uniform => {
                    let u = draws.uniform(&[1, books, self.book.len() / books]).reshape(self.book.shape().dims());
                    (u - 0.5) * (2.0 / k as f64)
                }
                Start::KMeans => {
                    let first = draws.scalar("first", &Schedule::Piecewise { values: vec![1.0, 0.0], at: vec![0, 1] });
                    let (n, chosen) = (self.counts().reshape(&[books, k, 1]), self.chosen(&draws));
                    let sums = self.rows.segment_sum(self.index, self.book.shape());
                    // 1 where entries are to be chosen: all of them at first, later those without a vector.
                    let anew = (1.0 - n.step()).maximum(first);
                    sums / n.maximum(n.like(1.0)) * (1.0 - anew) + chosen * anew
                }
            };
            let Averages { book, size, sum } = Averages::of(net, self.book.shape());
            let sizes = self.index.graph().constant(even, Shape::new(&[books, k]));
            for (state, value) in [(book, entries), (size, sizes), (sum, entries * even)] {
                net.graph().assign(state, value);
            }
        });
    }
}

/// How many rounds of [`Quantized::begin`] there are: as of the first batch, before the first step.
pub fn rounds(c: &Codebook) -> u64 {
    match (c.update, c.start) {
        (Update::Gradient, _) => 0,
        (Update::Ema, Start::Uniform) => 1,
        (Update::Ema, Start::KMeans) => 1 + ROUNDS,
    }
}

/// The state of a codebook.
struct Averages {
    /// e: \[books, entries, d\].
    book: StateId,
    /// N, vectors of each entry: \[books, entries\].
    size: StateId,
    /// m, their sum: \[books, entries, d\].
    sum: StateId,
}

impl Averages {
    fn of(net: &Scope<'_>, shape: Shape) -> Self {
        Self {
            book: net.state("codebook", shape.dims()),
            size: net.state("size", &shape.dims()[..2]),
            sum: net.state("sum", shape.dims()),
        }
    }
}
