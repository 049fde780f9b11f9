//! What codes cost by how often each is used alone: the yardstick of a prior.

use super::Session;
use crate::config::Prior;
use crate::data::Split;
use crate::models;
use crate::values::{Error, Result};

impl Session {
    /// Bits a code of a held-out split by a unigram of the training set; None of a model that is no prior.
    pub(super) fn unigram(&self, split: &str) -> Result<Option<f64>> {
        let Some(prior) = models::of(&self.config.model).autoregressive() else { return Ok(None) };
        Ok(Some(bits(prior, self.train_feed.split(), self.held_out(split)?.split())))
    }
}

/// −log₂ p(c), averaged over the level's codes of `held_out`, with p(c) = (n(c) + 1)/(n + K): n(c) of the n codes of the same
/// book in `train` are c.
fn bits(prior: &Prior, train: &Split, held_out: &Split) -> f64 {
    let (books, k) = (prior.map[2], prior.map[3]);
    let mut counts = vec![0u64; books * k];
    each(prior, train, |book, code| counts[book * k + code] += 1);
    let of_book: Vec<u64> = counts.chunks(k).map(|c| c.iter().sum()).collect();
    let (mut sum, mut n) = (0.0, 0u64);
    each(prior, held_out, |book, code| {
        let p = (counts[book * k + code] + 1) as f64 / (of_book[book] + k as u64) as f64;
        sum -= p.log2();
        n += 1;
    });
    sum / n as f64
}

/// Refuses codes that a prior's books have not, of its own level and of the one above.
pub(super) fn in_book(prior: &Prior, split: &Split) -> Result<()> {
    let (known, k) = (prior.known(), prior.map[3]);
    let above = prior.above.last().copied().unwrap_or(k);
    for example in split.bytes().chunks(split.inner) {
        for (place, code) in example.chunks(4).take(prior.example()).enumerate() {
            let code = whole(code);
            let entries = if place < known { above } else { k };
            if code >= entries {
                return Err(Error::usage(format!(
                    "the code {code} is in no book of {entries} entries: these are not the codes that this prior is of"
                )));
            }
        }
    }
    Ok(())
}

/// A code, of the four bytes that a split has of it.
fn whole(bytes: &[u8]) -> usize {
    f32::from_le_bytes(bytes.try_into().expect("four bytes a code")) as usize
}

/// Each of the level's codes in a split, and its book.
fn each(prior: &Prior, split: &Split, mut f: impl FnMut(usize, usize)) {
    let (first, codes) = (prior.known(), prior.codes());
    for example in split.bytes().chunks(split.inner) {
        let own = example.chunks(4).skip(first).take(codes);
        for (place, code) in own.enumerate() {
            f(place % prior.map[2], whole(code));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(rows: &[&[u32]]) -> Split {
        let bytes = rows.iter().flat_map(|r| r.iter().flat_map(|&c| (c as f32).to_le_bytes())).collect();
        Split::stored(bytes, vec![], 4 * rows[0].len())
    }

    /// Of a level behind one known code, of two books: 3 of 4 codes of the first book are 1, all of the second are 0.
    #[test]
    fn a_unigram_counts_each_book_of_its_own_level() {
        let prior = Prior { map: [1, 1, 2, 2], above: vec![1, 1, 1, 9], ..Prior::default() };
        let train = codes(&[&[8, 1, 0], &[8, 1, 0], &[8, 1, 0], &[8, 0, 0]]);
        let got = bits(&prior, &train, &codes(&[&[3, 1, 0], &[3, 0, 1]]));
        let want: f64 = [4.0 / 6.0, 5.0 / 6.0, 2.0 / 6.0, 1.0 / 6.0].iter().map(|p: &f64| -p.log2()).sum();
        assert!((got - want / 4.0).abs() < 1e-12, "{got}");
    }
}
