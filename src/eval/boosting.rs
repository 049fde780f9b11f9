//! Gradient-boosted trees (Friedman 2001, Algorithm 6: K-class boosting): Fₖ ← Fₖ + ν · tree of the residuals
//! rᵢₖ = \[yᵢ = k\] − softmaxₖ F(xᵢ).
//!
//! What scikit-learn's `GradientBoostingClassifier` computes by default: 100 rounds, ν = 0.1, trees of depth 3 that split
//! where the squared error of the residuals falls most (`friedman_mse` orders the splits of a node alike), leaves of
//! (K − 1)/K · Σr/Σ p(1 − p), importances by that fall. Of two classes it is one tree a round, on the logistic loss. Where two
//! splits are as good, scikit-learn's choice is random: here it is the feature of the lowest number.

use rayon::prelude::*;

const ROUNDS: usize = 100;
const RATE: f64 = 0.1;
const DEPTH: usize = 3;
/// Numbers that are no further apart are one: scikit-learn's FEATURE_THRESHOLD.
const APART: f32 = 1e-7;

/// Features sorted once, for every tree of every factor.
pub struct Columns {
    rows: usize,
    /// By feature: (value, row), ascending.
    sorted: Vec<Vec<(f32, u32)>>,
}

impl Columns {
    /// From rows of `features` numbers.
    pub fn new(x: &[f32], features: usize) -> Self {
        let column = |f: usize| {
            let mut c: Vec<(f32, u32)> = (0..).zip(x.chunks_exact(features)).map(|(i, row)| (row[f], i)).collect();
            c.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            c
        };
        Self { rows: x.len() / features, sorted: (0..features).into_par_iter().map(column).collect() }
    }
}

/// A fitted ensemble.
pub struct Boosting {
    /// F before the first tree: the logarithms of the classes' frequencies; of two classes their difference.
    prior: Vec<f64>,
    /// By round: a tree a class; of two classes one.
    rounds: Vec<Vec<Tree>>,
    /// By feature, in all 1; all 0 where no tree splits.
    pub importances: Vec<f64>,
}

/// A tree of depth 3 as a heap: the children of node i are 2i + 1 and 2i + 2.
#[derive(Clone, Default)]
struct Tree {
    splits: [Option<Split>; (1 << DEPTH) - 1],
    values: [f64; (2 << DEPTH) - 1],
}

/// Rows whose feature is at most the threshold go left.
#[derive(Clone, Copy)]
struct Split {
    feature: usize,
    threshold: f64,
    /// By how much the sum of squares falls, times the number of rows; to find the best.
    gain: f64,
    /// Rows that go left, and the sum of their residuals.
    left: (usize, f64),
}

impl Boosting {
    /// From classes `0..classes`, at least two, each of which is there.
    pub fn fit(columns: &Columns, y: &[u32], classes: usize) -> Self {
        let n = columns.rows;
        let mut counts = vec![0usize; classes];
        y.iter().for_each(|&y| counts[y as usize] += 1);
        let frequency = |k: usize| (counts[k] as f64 / n as f64).ln();
        let binary = classes == 2;
        let prior: Vec<f64> =
            if binary { vec![frequency(1) - frequency(0)] } else { (0..classes).map(frequency).collect() };
        let mut f: Vec<Vec<f64>> = prior.iter().map(|&p| vec![p; n]).collect();
        let mut rounds = Vec::with_capacity(ROUNDS);
        let mut sums = vec![0.0; columns.sorted.len()];
        let mut trees_with_splits = 0;
        for _ in 0..ROUNDS {
            // All classes have the same F of before: their trees are made at once.
            let normaliser = if binary { vec![] } else { log_sum_exp(&f) };
            let made: Vec<(Tree, Vec<f64>)> = f
                .par_iter_mut()
                .enumerate()
                .map(|(k, f)| {
                    let (own, shrink) =
                        if binary { (1, 1.0) } else { (k as u32, (classes - 1) as f64 / classes as f64) };
                    let residual: Vec<f64> = (0..n)
                        .map(|i| {
                            let p = if binary { 1.0 / (1.0 + (-f[i]).exp()) } else { (f[i] - normaliser[i]).exp() };
                            f64::from(u8::from(y[i] == own)) - p
                        })
                        .collect();
                    let mut importance = vec![0.0; columns.sorted.len()];
                    let (tree, leaf) = grow(columns, &residual, shrink, &mut importance);
                    f.iter_mut().zip(leaf).for_each(|(f, leaf)| *f += RATE * tree.values[leaf as usize]);
                    (tree, importance)
                })
                .collect();
            let mut round = Vec::with_capacity(made.len());
            for (tree, importance) in made {
                trees_with_splits += usize::from(tree.splits[0].is_some());
                sums.iter_mut().zip(importance).for_each(|(s, i)| *s += i);
                round.push(tree);
            }
            rounds.push(round);
        }
        let total: f64 = sums.iter().sum();
        let importances =
            if trees_with_splits == 0 || total == 0.0 { sums } else { sums.iter().map(|s| s / total).collect() };
        Self { prior, rounds, importances }
    }

    /// The class of a row.
    pub fn predict(&self, row: &[f32]) -> u32 {
        let mut f = self.prior.clone();
        for round in &self.rounds {
            f.iter_mut().zip(round).for_each(|(f, tree)| *f += RATE * tree.value(row));
        }
        match f[..] {
            [log_odds] => u32::from(log_odds >= 0.0),
            _ => (1..f.len()).fold(0, |best, k| if f[k] > f[best] { k } else { best }) as u32,
        }
    }
}

impl Tree {
    fn value(&self, row: &[f32]) -> f64 {
        let mut at = 0;
        while let Some(Some(s)) = self.splits.get(at) {
            at = 2 * at + if f64::from(row[s.feature]) <= s.threshold { 1 } else { 2 };
        }
        self.values[at]
    }
}

/// ln Σₖ e^Fₖ of each row.
fn log_sum_exp(f: &[Vec<f64>]) -> Vec<f64> {
    let of_row = |i: usize| {
        let most = f.iter().map(|f| f[i]).fold(f64::NEG_INFINITY, f64::max);
        most + f.iter().map(|f| (f[i] - most).exp()).sum::<f64>().ln()
    };
    (0..f[0].len()).into_par_iter().map(of_row).collect()
}

/// What a node's rows have passed of a feature in ascending order, and the best split so far.
#[derive(Clone, Copy)]
struct Scan {
    count: usize,
    sum: f64,
    last: f32,
    all: (usize, f64),
    best: Option<Split>,
}

/// A tree of the residuals, and the node in which each row ends. To `importance` it adds the fall of the squared error, a row.
fn grow(columns: &Columns, residual: &[f64], shrink: f64, importance: &mut [f64]) -> (Tree, Vec<u8>) {
    const CLOSED: Scan = Scan { count: 0, sum: 0.0, last: 0.0, all: (0, 0.0), best: None };
    let n = columns.rows;
    let mut tree = Tree::default();
    let mut node = vec![0u8; n];
    // Rows, and the sum of their residuals, by node.
    let mut contents = [(0usize, 0.0f64); (2 << DEPTH) - 1];
    contents[0] = (n, residual.iter().sum());
    for depth in 0..DEPTH {
        let (first, width) = ((1 << depth) - 1, 1 << depth);
        let mut open = [false; 1 << (DEPTH - 1)];
        let mut squares = [0.0; 1 << (DEPTH - 1)];
        for (r, &at) in residual.iter().zip(&node) {
            if at as usize >= first {
                squares[at as usize - first] += r * r;
            }
        }
        for (i, open) in open.iter_mut().enumerate().take(width) {
            let (rows, sum) = contents[first + i];
            // A node whose residuals are equal is a leaf.
            *open = rows > 1 && squares[i] / rows as f64 - (sum / rows as f64).powi(2) > f64::EPSILON;
        }
        let mut scans = [CLOSED; 1 << (DEPTH - 1)];
        (0..width).for_each(|i| scans[i].all = contents[first + i]);
        for (feature, sorted) in columns.sorted.iter().enumerate() {
            scans.iter_mut().for_each(|s| (s.count, s.sum) = (0, 0.0));
            for &(value, row) in sorted {
                let at = node[row as usize] as usize;
                if at < first || !open[at - first] {
                    continue;
                }
                let s = &mut scans[at - first];
                if s.count > 0 && value > s.last + APART {
                    let (l, r) = (s.count as f64, (s.all.0 - s.count) as f64);
                    let apart = r * s.sum - l * (s.all.1 - s.sum);
                    let gain = apart * apart / (l * r);
                    if s.best.is_none_or(|b| gain > b.gain) {
                        let middle = f64::from(s.last) / 2.0 + f64::from(value) / 2.0;
                        let threshold = if middle == f64::from(value) { f64::from(s.last) } else { middle };
                        s.best = Some(Split { feature, threshold, gain, left: (s.count, s.sum) });
                    }
                }
                s.count += 1;
                s.sum += residual[row as usize];
                s.last = value;
            }
        }
        for (i, scan) in scans.iter().enumerate().take(width) {
            let Some(best) = scan.best else { continue };
            let at = first + i;
            tree.splits[at] = Some(best);
            contents[2 * at + 1] = best.left;
            contents[2 * at + 2] = (scan.all.0 - best.left.0, scan.all.1 - best.left.1);
            importance[best.feature] += best.gain / (scan.all.0 * n) as f64;
            for &(value, row) in &columns.sorted[best.feature] {
                if node[row as usize] as usize == at {
                    node[row as usize] = 2 * at as u8 + if f64::from(value) <= best.threshold { 1 } else { 2 };
                }
            }
        }
    }
    let mut sums = [(0.0, 0.0); (2 << DEPTH) - 1];
    for (r, &at) in residual.iter().zip(&node) {
        let s = &mut sums[at as usize];
        // p(1 − p), of |r| = p or 1 − p.
        *s = (s.0 + r, s.1 + r.abs() * (1.0 - r.abs()));
    }
    for (value, (r, weight)) in tree.values.iter_mut().zip(sums) {
        *value = if weight < 1e-150 { 0.0 } else { shrink * r / weight };
    }
    (tree, node)
}
