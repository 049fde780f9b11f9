//! Tables as text, .csv or .csv.gz: an example a line, its label in the first or the last column or nowhere. A first line that
//! is no numbers names the columns.

use super::dataset::{Dataset, Options, Split};
use super::file::{MAX_BYTES, Source, wrong};
use super::levels;
use crate::config::Label;
use crate::values::Result;
use csv::{ByteRecord, ReaderBuilder};
use std::io::Read;
use std::path::Path;

/// Names of a column that holds labels.
const NAMES: [&str; 5] = ["label", "labels", "class", "target", "y"];

/// The data set in the table at `path`, to be called `name`.
pub fn load(path: &Path, name: String, o: &Options) -> Result<Dataset> {
    let (from, most) = Source::open(path)?.unpacked()?;
    let mut table = ReaderBuilder::new().has_headers(false).from_reader(from.take(most.min(MAX_BYTES)));
    let (mut record, mut line) = (ByteRecord::new(), 0u64);
    let (mut values, mut columns, mut named) = (Vec::<f32>::new(), 0, None);
    loop {
        line += 1;
        let more = table.read_byte_record(&mut record);
        if !more.map_err(|e| wrong(path, format!("is no table of numbers: {e}")))? {
            break;
        }
        let number = |field: &[u8]| std::str::from_utf8(field).ok()?.trim().parse::<f32>().ok();
        if line == 1 {
            columns = record.len();
            if record.iter().all(|field| number(field).is_none()) {
                named = place(&record);
                continue;
            }
        }
        for (i, field) in record.iter().enumerate() {
            let Some(v) = number(field) else {
                let shown: String = String::from_utf8_lossy(field).chars().take(20).collect();
                return Err(wrong(
                    path,
                    format!("holds `{shown}` in row {line}, column {}, where a number belongs", i + 1),
                ));
            };
            values.push(v);
        }
    }
    if values.is_empty() {
        return Err(wrong(path, "holds no row of numbers"));
    }
    let label = match o.label {
        Label::Auto => named.or_else(|| guess(columns)).ok_or_else(|| {
            let text = "has columns that do not say where the labels are: set data.label to first, last or none";
            wrong(path, format!("{text} (it has {columns})"))
        })?,
        given => given,
    };
    split(path, name, values, columns, label, o)
}

/// Where the header says that labels are.
fn place(header: &ByteRecord) -> Option<Label> {
    let is = |field: Option<&[u8]>| {
        let name = field.map(|f| String::from_utf8_lossy(f).trim().to_lowercase());
        name.is_some_and(|name| NAMES.contains(&name.as_str()))
    };
    match (is(header.get(0)), is(header.get(header.len() - 1))) {
        (true, false) => Some(Label::First),
        (false, true) => Some(Label::Last),
        (false, false) => Some(Label::None),
        _ => None,
    }
}

/// Pixels of a square have no label beside them; where one number is left over, it may be either end's.
fn guess(columns: usize) -> Option<Label> {
    let square = |n: usize| n > 0 && n.isqrt().pow(2) == n;
    if square(columns) { Some(Label::None) } else { None }
}

fn split(path: &Path, name: String, values: Vec<f32>, columns: usize, label: Label, o: &Options) -> Result<Dataset> {
    let labelled = usize::from(label != Label::None);
    if columns <= labelled {
        return Err(wrong(path, format!("has {columns} column, and no number beside the label")));
    }
    let rows = || values.chunks_exact(columns);
    let (labels, pixels): (Vec<f32>, Vec<f32>) = match label {
        Label::First => (rows().map(|r| r[0]).collect(), rows().flat_map(|r| &r[1..]).copied().collect()),
        Label::Last => {
            (rows().map(|r| r[columns - 1]).collect(), rows().flat_map(|r| &r[..columns - 1]).copied().collect())
        }
        _ => (vec![], values),
    };
    let labels = levels::labels(&labels).map_err(|e| wrong(path, e))?;
    let bytes = levels::of_reals(&pixels).map_err(|e| wrong(path, e))?;
    let inner = columns - labelled;
    Dataset::divide(name, levels::shape(inner), Split::stored(bytes, labels, inner), None, o)
}
