//! The shipped sets in colour: extents, labels, what is held out.

use elbo::data::{self, Options};
use md5::{Digest, Md5};
use std::path::Path;

/// The sums of `LICENSE.md` in each folder.
#[test]
fn the_shipped_files_are_those_that_were_prepared() {
    let shipped = |file: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("assets").join(file);
    let sum = |bytes: &[u8]| Md5::digest(bytes).iter().map(|b| format!("{b:02x}")).collect::<String>();
    for (file, md5) in [
        ("photographs/astronaut.png", "97066e0a8baf4cd0be9859f9825aa3a2"),
        ("photographs/chelsea.png", "0f1b4a59504988622035d850dc0555ac"),
        ("photographs/coffee.png", "f24210802e8d0690e0c1c2302f907cc4"),
        ("emoji/emoji.csv", "b378d623c91784fedb345df637c7a116"),
    ] {
        assert_eq!(sum(&std::fs::read(shipped(file)).unwrap()), md5, "{file}");
    }
    let pixels = image::open(shipped("emoji/emoji.png")).unwrap().to_rgb8();
    assert_eq!(pixels.dimensions(), (1408, 1408));
    assert_eq!(sum(&pixels), "3bbb56c13a33c6ea275536090fdabba8", "the pixels of emoji.png");
}

#[test]
fn emoji_are_squares_of_32_in_colour_with_their_categories() {
    let d = data::load("emoji", &Options::WHOLE).unwrap();
    assert_eq!(d.shape, [32, 32, 3]);
    assert_eq!((d.train.len(), d.test.len()), (1720, 191));
    let mut labels = d.train.labels.clone();
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels, (0..10).collect::<Vec<u8>>());
    assert_eq!((d.train.labels.len(), d.test.labels.len()), (1720, 191));
    // On white, and in colour: red, green and blue differ somewhere in most.
    let coloured = |i: &usize| d.train.image(*i).chunks(3).any(|p| p[0].abs_diff(p[2]) > 60);
    let n = (0..d.train.len()).filter(coloured).count();
    assert!(n > 1300, "{n} have colour");
    let white = (0..d.train.len()).filter(|&i| d.train.image(i)[..3] == [255; 3]).count();
    assert!(white > 1000, "{white} begin white");
}

#[test]
fn photographs_are_pieces_and_one_is_held_out() {
    let d = data::load("photographs", &Options { validation: 100, ..Options::WHOLE }).unwrap();
    assert_eq!((d.shape, d.train.len(), d.validation.len(), d.test.len()), ([32, 32, 3], 9900, 100, 1000));
    assert!([&d.train, &d.validation, &d.test].iter().all(|s| s.labels.is_empty()), "which photograph is no class");
    // The cat's brown fur: red above green above blue, on the mean.
    let mean = |c: usize| {
        let image = |i: usize| d.test.image(i).iter().skip(c).step_by(3).map(|&b| f64::from(b)).sum::<f64>();
        (0..d.test.len()).map(image).sum::<f64>() / (1000.0 * 1024.0)
    };
    let [r, g, b] = [mean(0), mean(1), mean(2)];
    assert!(r > g + 10.0 && g > b + 5.0, "{r} {g} {b}");
    let again = data::load("photographs", &Options { validation: 100, ..Options::WHOLE }).unwrap();
    assert!(again == d, "the same pieces at every call");
}
