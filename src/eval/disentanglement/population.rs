//! Examples with a code and factors each, by number: what the scores draw from.

use crate::values::{Error, Philox, Result, permutation, stream};

/// The most values of a factor: SAP and DCI train a classifier a value.
pub const MAX_VALUES: usize = 256;

/// Uniform integers, one after the other.
pub(super) struct Draws {
    rng: Philox,
    next: u64,
    block: [u32; 4],
}

impl Draws {
    /// The draws of a purpose.
    pub fn new(seed: u64, what: &str) -> Self {
        Self { rng: Philox::new(seed, stream(what, 0), 0), next: 0, block: [0; 4] }
    }

    /// An integer below n, n > 0.
    pub fn below(&mut self, n: usize) -> usize {
        if self.next.is_multiple_of(4) {
            self.block = self.rng.block((self.next / 4) as u32);
        }
        let word = self.block[(self.next % 4) as usize];
        self.next += 1;
        ((u64::from(word) * n as u64) >> 32) as usize
    }
}

/// Examples, by number.
#[expect(private_interfaces, reason = "whoever scores a population lets the scores draw")]
pub trait Population: Sync {
    /// The number of factors.
    fn factors(&self) -> usize;
    /// Numbers of a code.
    fn latent(&self) -> usize;
    /// The value of a factor of an example, as an integer from 0 on.
    fn factor(&self, id: u32, k: usize) -> u32;
    /// The code of an example.
    fn code(&self, id: u32) -> &[f32];
    /// Examples to learn from and others to be judged by, at most so many.
    fn divide(&self, train: usize, test: usize, draws: Draws) -> (Vec<u32>, Vec<u32>);
    /// Any example.
    fn any(&self, draws: &mut Draws) -> u32;
    /// An example that shares factor k with this one.
    fn like(&self, id: u32, k: usize, draws: &mut Draws) -> u32;
}

/// Every combination of the factors once, the last factor fastest; draws are of independent, uniform factors.
pub struct Grid {
    sizes: Vec<usize>,
    latent: usize,
    codes: Vec<f32>,
}

impl Grid {
    /// A grid of so many values a factor, and the code of every example, `latent` numbers each. Panics where they are not of
    /// so many examples.
    pub fn new(sizes: &[usize], codes: Vec<f32>, latent: usize) -> Self {
        assert_eq!(codes.len(), sizes.iter().product::<usize>() * latent, "a code an example");
        Self { sizes: sizes.to_vec(), latent, codes }
    }

    /// Examples between two that differ by 1 in factor k alone.
    fn stride(&self, k: usize) -> usize {
        self.sizes[k + 1..].iter().product()
    }
}

#[expect(private_interfaces, reason = "as the trait")]
impl Population for Grid {
    fn factors(&self) -> usize {
        self.sizes.len()
    }

    fn latent(&self) -> usize {
        self.latent
    }

    fn factor(&self, id: u32, k: usize) -> u32 {
        (id as usize / self.stride(k) % self.sizes[k]) as u32
    }

    fn code(&self, id: u32) -> &[f32] {
        &self.codes[id as usize * self.latent..][..self.latent]
    }

    /// Independent draws.
    fn divide(&self, train: usize, test: usize, mut draws: Draws) -> (Vec<u32>, Vec<u32>) {
        let mut some = |n: usize| (0..n).map(|_| self.any(&mut draws)).collect();
        (some(train), some(test))
    }

    fn any(&self, draws: &mut Draws) -> u32 {
        draws.below(self.sizes.iter().product()) as u32
    }

    fn like(&self, id: u32, k: usize, draws: &mut Draws) -> u32 {
        let other = self.any(draws);
        let by = self.stride(k) as u32;
        other - self.factor(other, k) * by + self.factor(id, k) * by
    }
}

/// Rows of codes and of factors, whatever their distribution.
pub struct Table {
    latent: usize,
    codes: Vec<f32>,
    /// By factor, of each row.
    values: Vec<Vec<u32>>,
    /// By factor and value, the rows that have it.
    rows: Vec<Vec<Vec<u32>>>,
    /// The numbers of the factors that are left out, since all rows agree in them.
    constant: Vec<usize>,
}

impl Table {
    /// From n·latent numbers and n·factors numbers, row by row. A factor's different numbers are its values, in their order;
    /// one of a single value is left out. Errors: fewer than 2 codes, than 2 factors that vary, or than 3 rows; a number that
    /// is not finite; a factor of more than [`MAX_VALUES`] values.
    pub fn new(codes: Vec<f32>, latent: usize, factors: &[f64], count: usize) -> Result<Self> {
        let n = codes.len() / latent.max(1);
        if n < 3 {
            return Err(Error::usage(format!("the scores take at least 3 rows of codes, and there are {n}")));
        }
        if latent < 2 {
            return Err(Error::usage("the scores compare codes with each other, and there is one alone: at least 2"));
        }
        assert_eq!(factors.len(), n * count, "factors are of as many rows as codes");
        if let Some(i) = codes.iter().position(|c| !c.is_finite()) {
            let (row, d) = (i / latent, i % latent);
            return Err(Error::failure(format!("code {d} of row {row} is {}: codes must be finite", codes[i])));
        }
        let (mut values, mut rows, mut constant) = (Vec::new(), Vec::new(), Vec::new());
        for k in 0..count {
            let column: Vec<f64> = factors.iter().skip(k).step_by(count).copied().collect();
            if let Some(row) = column.iter().position(|v| !v.is_finite()) {
                let text = format!("factor {k} of row {row} is {}: factors must be finite", column[row]);
                return Err(Error::failure(text));
            }
            let mut seen = column.clone();
            seen.sort_by(f64::total_cmp);
            seen.dedup();
            if seen.len() > MAX_VALUES {
                return Err(Error::usage(format!(
                    "factor {k} has {} different values, and the scores take discrete factors of {MAX_VALUES} at most: \
                     bin it, or leave it out",
                    seen.len()
                )));
            }
            if seen.len() < 2 {
                constant.push(k);
                continue;
            }
            let place = |v: &f64| seen.binary_search_by(|s| s.total_cmp(v)).expect("it was seen") as u32;
            let column: Vec<u32> = column.iter().map(place).collect();
            let mut having = vec![Vec::new(); seen.len()];
            (0..).zip(&column).for_each(|(row, &v)| having[v as usize].push(row));
            values.push(column);
            rows.push(having);
        }
        if values.len() < 2 {
            return Err(Error::usage(format!(
                "the scores compare factors with each other, and {} of the {count} varies over the rows: at least 2",
                values.len()
            )));
        }
        Ok(Self { latent, codes, values, rows, constant })
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.codes.len() / self.latent
    }

    /// Whether there are no rows: never.
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// The number of values of each factor that varies.
    pub fn sizes(&self) -> Vec<usize> {
        self.rows.iter().map(Vec::len).collect()
    }

    /// The numbers of the factors that are left out, since all rows agree in them.
    pub fn constant(&self) -> &[usize] {
        &self.constant
    }
}

#[expect(private_interfaces, reason = "as the trait")]
impl Population for Table {
    fn factors(&self) -> usize {
        self.values.len()
    }

    fn latent(&self) -> usize {
        self.latent
    }

    fn factor(&self, id: u32, k: usize) -> u32 {
        self.values[k][id as usize]
    }

    fn code(&self, id: u32) -> &[f32] {
        &self.codes[id as usize * self.latent..][..self.latent]
    }

    /// Different rows: of a table too small, two thirds to learn from and one third to be judged by.
    fn divide(&self, train: usize, test: usize, draws: Draws) -> (Vec<u32>, Vec<u32>) {
        let n = self.len();
        let order = permutation(n, draws.rng);
        let (train, test) = if n >= train + test { (train, test) } else { (n - n / 3, n / 3) };
        (order[..train].to_vec(), order[train..train + test].to_vec())
    }

    fn any(&self, draws: &mut Draws) -> u32 {
        draws.below(self.len()) as u32
    }

    fn like(&self, id: u32, k: usize, draws: &mut Draws) -> u32 {
        let having = &self.rows[k][self.factor(id, k) as usize];
        having[draws.below(having.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_like_an_example_shares_that_factor_and_no_other() {
        let sizes = [3, 6, 40, 32, 32];
        let grid = Grid::new(&sizes, vec![0.0; sizes.iter().product()], 1);
        let last = sizes.iter().product::<usize>() as u32 - 1;
        assert_eq!((0..5).map(|k| grid.factor(last, k)).collect::<Vec<_>>(), [2, 5, 39, 31, 31]);
        assert_eq!((0..5).map(|k| grid.factor(1024 * 41 + 32 * 7 + 3, k)).collect::<Vec<_>>(), [0, 1, 1, 7, 3]);
        let factors: Vec<f64> = (0..60).flat_map(|i| [i % 4, i % 3, 7, i / 12]).map(f64::from).collect();
        let table = Table::new((0..120).map(|i| i as f32).collect(), 2, &factors, 4).unwrap();
        assert_eq!((table.sizes(), table.constant()), (vec![4, 3, 5], &[2][..]));
        fn shared(p: &impl Population, seed: u64) {
            let mut draws = Draws::new(seed, "like");
            for k in 0..p.factors() {
                let mut others = vec![0; p.factors()];
                for _ in 0..200 {
                    let id = p.any(&mut draws);
                    let like = p.like(id, k, &mut draws);
                    assert_eq!(p.factor(id, k), p.factor(like, k), "factor {k} of {id} and {like}");
                    (0..p.factors()).for_each(|j| others[j] += usize::from(p.factor(id, j) == p.factor(like, j)));
                }
                for (j, same) in others.into_iter().enumerate() {
                    assert!(j == k || same < 140, "factor {j} is shared {same} times in 200, where {k} is to be");
                }
            }
        }
        shared(&grid, 1);
        shared(&table, 2);
    }

    #[test]
    fn a_table_gives_no_row_to_both_sides() {
        let factors: Vec<f64> = (0..200).map(f64::from).map(|i| i % 3.0).collect();
        let table = Table::new(vec![0.5; 200], 2, &factors, 2).unwrap();
        for (ask, got) in [((10_000, 5_000), (67, 33)), ((50, 20), (50, 20))] {
            let (mut train, test) = table.divide(ask.0, ask.1, Draws::new(0, "x"));
            assert_eq!((train.len(), test.len()), got);
            train.extend(test);
            train.sort_unstable();
            train.dedup();
            assert_eq!(train.len(), got.0 + got.1, "a row twice");
        }
    }
}
