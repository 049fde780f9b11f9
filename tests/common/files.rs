//! Small files of every format that a data set may come in.
#![allow(dead_code, reason = "each test uses its part")]

use flate2::{Compression, write::GzEncoder};
use std::io::{Cursor, Write};
use std::path::Path;
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

pub fn gz(raw: &[u8]) -> Vec<u8> {
    let mut e = GzEncoder::new(Vec::new(), Compression::best());
    e.write_all(raw).unwrap();
    e.finish().unwrap()
}

/// An array of NumPy with that header.
pub fn npy(descr: &str, fortran: bool, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let extents: Vec<String> = shape.iter().map(|d| format!("{d},")).collect();
    let order = if fortran { "True" } else { "False" };
    let mut head = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({}), }}", extents.join(" "));
    while (head.len() + 11) % 64 > 0 {
        head.push(' ');
    }
    head.push('\n');
    let length = (head.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], head.as_bytes(), data].concat()
}

/// An archive of NumPy.
pub fn npz(arrays: &[(&str, Vec<u8>)], packed: bool) -> Vec<u8> {
    let method = if packed { CompressionMethod::Deflated } else { CompressionMethod::Stored };
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in arrays {
        zip.start_file(format!("{name}.npy"), SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// n images of 2 × 3 pixels, image i six times the byte 200 + i.
pub fn six(n: usize) -> Vec<u8> {
    (0..n).flat_map(|i| [200 + i as u8; 6]).collect()
}

/// Keras' `mnist.npz`, small.
pub fn keras(packed: bool) -> Vec<u8> {
    let array = |n: usize| npy("|u1", false, &[n, 2, 3], &six(n));
    let labels = |n: usize| npy("|u1", false, &[n], &(0..n as u8).collect::<Vec<_>>());
    let arrays = [("x_train", array(20)), ("y_train", labels(20)), ("x_test", array(4)), ("y_test", labels(4))];
    npz(&arrays, packed)
}

/// dSprites' archive, small, its metadata pickled.
pub fn dsprites() -> Vec<u8> {
    let classes: Vec<u8> = (0..10i64).flat_map(|i| [0, i % 3, 5, 6, 7, 8]).flat_map(i64::to_le_bytes).collect();
    let imgs: Vec<u8> = (0..10 * 16).map(|i| u8::from(i % 3 == 0)).collect();
    let arrays = [
        ("metadata", npy("|O", false, &[], b"\x80\x03}q\x00.")),
        ("imgs", npy("|u1", false, &[10, 4, 4], &imgs)),
        ("latents_classes", npy("<i8", false, &[10, 6], &classes)),
    ];
    npz(&arrays, true)
}

/// A record of CIFAR-10: red is 10, green 20 and blue 30, but for the first pixel, which is all 1.
pub fn cifar(label: u8) -> Vec<u8> {
    let plane = |v: u8| [vec![1], vec![v; 1023]].concat();
    [vec![label], plane(10), plane(20), plane(30)].concat()
}

/// A picture of 5 × 4 pixels.
pub fn picture(colour: bool, jpeg: bool, seed: u8) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let format = if jpeg { image::ImageFormat::Jpeg } else { image::ImageFormat::Png };
    let v = |x: u32, y: u32| (x * 40 + y * 20) as u8 ^ seed;
    if colour {
        let rgb = image::RgbImage::from_fn(5, 4, |x, y| image::Rgb([v(x, y), v(y, x), seed]));
        rgb.write_to(&mut bytes, format).unwrap();
    } else {
        image::GrayImage::from_fn(5, 4, |x, y| image::Luma([v(x, y)])).write_to(&mut bytes, format).unwrap();
    }
    bytes.into_inner()
}

pub fn put(dir: &Path, name: &str, bytes: &[u8]) {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}
