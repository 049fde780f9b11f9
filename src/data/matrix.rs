//! Tables of numbers from .npy (NumPy's format): rows of as many columns.

use super::npy;
use crate::values::{Error, Result};
use npyz::{DType, Deserialize, NpyFile, Order};
use std::path::Path;

/// A table.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// Its rows.
    pub rows: usize,
    /// Numbers a row.
    pub columns: usize,
    /// rows·columns numbers, row by row.
    pub values: Vec<f64>,
}

impl Matrix {
    /// From a .npy of integers, truth values or floats (f4 or f8), of one axis (a column) or two. It takes 8 bytes a number at
    /// most, of as many numbers as the file really has. Errors: a file that cannot be read, that is none of these, or that is
    /// shorter or longer than its header says.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io("cannot read", path, &e))?;
        Self::parse(&bytes).map_err(|why| Error::failure(format!("{}: {why}", path.display())))
    }

    fn parse(bytes: &[u8]) -> std::result::Result<Self, String> {
        let mut rest = bytes;
        let header = npy::header(&mut rest).map_err(|e| format!("this is no .npy file ({e})"))?;
        let (rows, columns) = match *header.shape() {
            [rows] => (rows, 1),
            [rows, columns] => (rows, columns),
            ref other => return Err(format!("it has {} axes, where rows and columns are wanted", other.len())),
        };
        let DType::Plain(ref kind) = header.dtype() else { return Err("it holds records, and no numbers".into()) };
        let size = kind.num_bytes().unwrap_or(0) as u64;
        let wanted = rows.checked_mul(columns).and_then(|n| n.checked_mul(size));
        if wanted != Some(rest.len() as u64) {
            return Err(format!(
                "its header promises {rows} rows of {columns} numbers of {size} bytes, and {} bytes follow",
                rest.len()
            ));
        }
        let (rows, columns, order) = (rows as usize, columns as usize, header.order());
        let name = kind.to_string();
        let file = NpyFile::with_header(header, rest);
        let values = match name.trim_start_matches(['<', '>', '|', '=']) {
            "f8" => numbers(file, |v: f64| v),
            "f4" => numbers(file, |v: f32| f64::from(v)),
            "i1" => numbers(file, |v: i8| f64::from(v)),
            "i2" => numbers(file, |v: i16| f64::from(v)),
            "i4" => numbers(file, |v: i32| f64::from(v)),
            "i8" => numbers(file, |v: i64| v as f64),
            "u1" => numbers(file, |v: u8| f64::from(v)),
            "u2" => numbers(file, |v: u16| f64::from(v)),
            "u4" => numbers(file, |v: u32| f64::from(v)),
            "u8" => numbers(file, |v: u64| v as f64),
            "b1" => numbers(file, |v: bool| f64::from(u8::from(v))),
            _ => Err(format!("it holds numbers of type {name}; save it as float32 or as integers")),
        }?;
        let values = match order {
            Order::C => values,
            Order::Fortran => (0..rows * columns).map(|i| values[i % columns * rows + i / columns]).collect(),
        };
        Ok(Self { rows, columns, values })
    }
}

/// What the file holds, in its own order.
fn numbers<T: Deserialize>(file: NpyFile<&[u8]>, f: impl Fn(T) -> f64) -> std::result::Result<Vec<f64>, String> {
    let read = || -> std::io::Result<Vec<f64>> {
        file.data::<T>().map_err(std::io::Error::other)?.map(|v| v.map(&f)).collect()
    };
    read().map_err(|e| format!("its numbers cannot be read ({e})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::{Philox, stream};

    /// The bytes of a file with that header.
    fn file(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
        let order = if fortran { "True" } else { "False" };
        let mut head = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
        while (head.len() + 11) % 64 > 0 {
            head.push(' ');
        }
        head.push('\n');
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((head.len() as u16).to_le_bytes());
        bytes.extend(head.bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn numbers_are_read_in_either_order_and_of_any_type() {
        let want = Matrix { rows: 2, columns: 3, values: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0] };
        assert_eq!(Matrix::parse(&file("|u1", false, "(2, 3)", &[1, 2, 3, 4, 5, 6])), Ok(want.clone()));
        assert_eq!(Matrix::parse(&file("|u1", true, "(2, 3)", &[1, 4, 2, 5, 3, 6])), Ok(want.clone()));
        let floats: Vec<u8> = want.values.iter().flat_map(|v| (*v as f32).to_be_bytes()).collect();
        assert_eq!(Matrix::parse(&file(">f4", false, "(2, 3)", &floats)), Ok(want));
        let column = Matrix { rows: 2, columns: 1, values: vec![-1.0, 258.0] };
        assert_eq!(Matrix::parse(&file("<i2", false, "(2,)", &[255, 255, 2, 1])), Ok(column));
    }

    #[test]
    fn what_is_malformed_is_refused_in_a_sentence() {
        let refusal = |bytes: &[u8]| Matrix::parse(bytes).unwrap_err();
        assert!(refusal(b"PK\x03\x04").starts_with("this is no .npy file"));
        assert!(refusal(&file("|u1", false, "(2, 2, 1)", &[0; 4])).starts_with("it has 3 axes"));
        assert!(refusal(&file("<c8", false, "(1, 1)", &[0; 8])).contains("of type"));
        for shape in ["(4000000000, 4000000000)", "(3, 1)", "(1, 1)", "(0, 5)"] {
            assert!(refusal(&file("|u1", false, shape, &[0; 2])).starts_with("its header promises"), "{shape}");
        }
    }

    #[test]
    fn no_corruption_of_a_file_is_more_than_refused() {
        let whole = file("<f4", false, "(3, 2)", &[7; 24]);
        let rng = Philox::new(3, stream("corrupt", 0), 0);
        let mut refused = 0;
        for i in 0..3000 {
            let mut bytes = whole.clone();
            let [at, value, cut, many] = rng.block(i);
            for change in 0..=many % 3 {
                let at = (at.rotate_left(change * 7)) as usize % bytes.len();
                bytes[at] = (value >> (8 * change)) as u8;
            }
            if cut % 4 == 0 {
                bytes.truncate(cut as usize / 4 % bytes.len());
            }
            refused += usize::from(Matrix::parse(&bytes).is_err());
        }
        assert!((1000..3000).contains(&refused), "{refused} refused");
    }
}
