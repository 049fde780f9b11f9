//! The shipped sets in colour: extents, labels, what is held out.

use elbo::data::{self, Options};

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
    assert!(d.train.labels.iter().all(|l| *l < 2) && d.test.labels.iter().all(|l| *l == 2));
    assert_eq!((d.train.labels[0], d.train.labels[9899]), (0, 1));
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
