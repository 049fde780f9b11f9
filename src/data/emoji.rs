//! The Noto emoji, shipped as one sheet of 32 × 32 pixels each in colour; labels are their categories.

use std::path::Path;

use super::dataset::{Dataset, Options, Split};
use super::{assets, rgb};
use crate::values::{Error, Result};

/// Pixels along an emoji.
const SIDE: usize = 32;

/// The emoji on white; categories are numbered in the order of the alphabet.
pub fn load(name: &str, o: &Options) -> Result<Dataset> {
    let folder = assets::folder(name, &["emoji.png", "emoji.csv"])?;
    let labels = categories(&folder.join("emoji.csv"))?;
    let sheet = folder.join("emoji.png");
    let (extent, bytes) = rgb::read(&sheet, SIDE)?;
    let columns = extent[1] / SIDE;
    if labels.len() > columns * (extent[0] / SIDE) {
        let n = labels.len();
        return Err(Error::failure(format!(
            "{} has {} × {} pixels, too few for {n} emoji of {SIDE} × {SIDE}",
            sheet.display(),
            extent[0],
            extent[1]
        )));
    }
    let tile = |i: usize| rgb::cut(&bytes, extent, [i / columns * SIDE, i % columns * SIDE], SIDE);
    let bytes = (0..labels.len()).flat_map(tile).collect();
    let all = Split::stored(bytes, labels, SIDE * SIDE * 3);
    Dataset::divide(name.into(), [SIDE, SIDE, 3], all, None, o)
}

/// The category of each emoji, in the order of the sheet.
fn categories(path: &Path) -> Result<Vec<u8>> {
    let wrong = |e: csv::Error| Error::failure(format!("cannot read {}: {e}", path.display()));
    let rows = csv::Reader::from_path(path).map_err(wrong)?.into_deserialize::<(String, String)>();
    let names: Vec<String> = rows.map(|row| row.map(|(_, category)| category).map_err(wrong)).collect::<Result<_>>()?;
    let mut known: Vec<&String> = names.iter().collect();
    known.sort_unstable();
    known.dedup();
    Ok(names.iter().map(|name| known.binary_search(&name).map_or(0, |i| i as u8)).collect())
}
