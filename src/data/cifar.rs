//! CIFAR-10's binary files (Krizhevsky 2009), `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`: a label and 32 × 32
//! pixels a record, all reds first, then the greens, then the blues.

use super::dataset::{Dataset, Options, Split};
use super::file::{MAX_BYTES, Source, room, wrong};
use crate::values::{Error, Result};
use std::io::Read;
use std::path::Path;

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;
const RECORD: usize = 1 + 3 * PLANE;
const TEST: &str = "test_batch.bin";

fn training() -> impl Iterator<Item = String> {
    (1..=5).map(|i| format!("data_batch_{i}.bin"))
}

/// Whether a folder holds some of the files.
pub fn is(dir: &Path) -> bool {
    training().any(|f| dir.join(f).exists())
}

/// The data set in `dir`, to be called `name`: of the training files those that are there.
pub fn load(dir: &Path, name: String, o: &Options) -> Result<Dataset> {
    let (mut bytes, mut labels) = (vec![], vec![]);
    for file in training().map(|f| dir.join(f)).filter(|f| f.exists()) {
        read(&file, &mut bytes, &mut labels)?;
    }
    let train = Split::stored(bytes, labels, 3 * PLANE);
    let test = dir.join(TEST);
    let test = if test.exists() {
        let (mut bytes, mut labels) = (vec![], vec![]);
        read(&test, &mut bytes, &mut labels)?;
        Some(Split::stored(bytes, labels, 3 * PLANE))
    } else {
        None
    };
    Dataset::divide(name, [SIDE, SIDE, 3], train, test, o)
}

/// Appends the records of a file.
fn read(path: &Path, bytes: &mut Vec<u8>, labels: &mut Vec<u8>) -> Result<()> {
    let Source { size, from, .. } = Source::open(path)?;
    if size == 0 || size % RECORD as u64 != 0 || size > MAX_BYTES {
        return Err(wrong(path, format!("has {size} bytes: CIFAR-10's records are of {RECORD} bytes each")));
    }
    let mut all: Vec<u8> = room(path, size)?;
    from.take(size).read_to_end(&mut all).map_err(|e| Error::io("cannot read", path, &e))?;
    if all.len() as u64 != size {
        return Err(wrong(path, "changed while it was read"));
    }
    bytes.reserve_exact(all.len());
    for (i, record) in all.chunks_exact(RECORD).enumerate() {
        if record[0] > 9 {
            return Err(wrong(
                path,
                format!("is no file of CIFAR-10: record {i} has the label {}, above 9", record[0]),
            ));
        }
        labels.push(record[0]);
        let (red, rest) = record[1..].split_at(PLANE);
        let (green, blue) = rest.split_at(PLANE);
        bytes.extend((0..PLANE).flat_map(|p| [red[p], green[p], blue[p]]));
    }
    Ok(())
}
