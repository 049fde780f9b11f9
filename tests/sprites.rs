//! The grid of sprites: what is known of dSprites' pictures, the same pictures on every device, and the splits.

mod common;
#[path = "common/run.rs"]
mod run;

use elbo::data::{self, Dataset, Images, Options};
use elbo::exec;
use elbo::kernels::outlines::{COUNT, SIDE, classes, index};
use elbo::kernels::sprites::{PIXELS, picture};
use elbo::train::Session;
use run::{devices, elbo, settings, steps, succeeds};

fn lit(place: u32) -> usize {
    picture(place).iter().filter(|&&b| b == 255).count()
}

fn sprites(test: usize, limit: usize) -> Dataset {
    data::load("sprites", &Options { validation: 1000, test, limit, ..Options::WHOLE }).unwrap()
}

#[test]
fn the_turn_closes_and_squares_that_are_not_turned_are_whole() {
    for shape in 0..3 {
        for (scale, x, y) in [(0, 3, 30), (5, 31, 0), (3, 16, 7)] {
            let at = |turn| picture(index([0, shape, scale, turn, x, y]));
            assert_eq!(at(0), at(39), "2π is 0");
            // A square looks the same after a quarter of a turn, which none of the 40 is; of the others 1 and 38 are mirrored.
            assert_ne!(at(0), at(3));
        }
    }
    for scale in 0..6u32 {
        let half = 5 + scale as usize;
        let corner = picture(index([0, 0, scale, 0, 0, 0]));
        let inside =
            |i: usize| (16 - half..16 + half).contains(&(i / SIDE)) && (16 - half..16 + half).contains(&(i % SIDE));
        assert!(corner.iter().enumerate().all(|(i, &b)| (b == 255) == inside(i)), "scale {scale}");
        // Anywhere: columns and rows of which all 8 samples are inside, or 7 and 8 (of 56, 63 and 64 samples 59 are wanted:
        // a row or a column of 7 is dark).
        for p in 0..32u32 {
            let samples = |i: usize| {
                // In 496ths: a sample is at 31·(2s + 1), the edges half a side from the centre.
                let centre = 16 * 496 + 512 * p as i64;
                (0..8).filter(|s| (31 * (16 * i as i64 + 2 * s + 1) - centre).abs() <= 496 * half as i64).count()
            };
            let drawn = picture(index([0, 0, scale, 0, p, 31 - p]));
            let mirrored = picture(index([0, 0, scale, 0, 31 - p, p]));
            let whole = (0..SIDE).filter(|&i| samples(i) == 8).count();
            assert!(drawn.iter().filter(|&&b| b == 255).count() == lit(index([0, 0, scale, 0, 31 - p, p])));
            let row = |i: usize| drawn[i * SIDE..][..SIDE].iter().filter(|&&b| b == 255).count();
            let widest = (0..SIDE).map(row).max();
            assert_eq!(widest, Some(whole), "scale {scale}, place {p}");
            assert!((0..PIXELS).all(|i| drawn[i] == mirrored[i % SIDE * SIDE + i / SIDE]), "x and y are alike");
        }
    }
}

/// Written down, for they must never change: neither with a release nor with a device.
#[test]
fn the_pictures_stay_what_they_are() {
    let whole = [0, 1, 2].map(|shape| lit(index([0, shape, 5, 0, 0, 0])));
    let half = [0, 1, 2].map(|shape| lit(index([0, shape, 0, 13, 20, 9])));
    let all: usize = (0..COUNT as u32).step_by(1009).map(lit).sum();
    assert_eq!((whole, half, all), (WHOLE, HALF, ALL));
}

const WHOLE: [usize; 3] = [400, 288, 222];
const HALF: [usize; 3] = [85, 67, 50];
const ALL: usize = 123_990;

#[test]
fn a_tenth_is_tested_or_what_is_asked_and_nothing_is_stored() {
    let d = sprites(0, 0);
    assert_eq!((d.train.len(), d.validation.len(), d.test.len()), (COUNT - COUNT / 10 - 1000, 1000, COUNT / 10));
    assert_eq!(d.shape, [64, 64, 1]);
    let places = |s: &data::Split| match &s.images {
        Images::Sprites(places) => places.clone(),
        Images::Stored(_) => panic!("they are drawn"),
    };
    let mut all = [&d.train, &d.validation, &d.test].map(places).concat();
    all.sort_unstable();
    assert!(all.iter().enumerate().all(|(i, &p)| i == p as usize), "each picture is in one split");
    let first = places(&d.test)[7];
    assert_eq!((d.test.factors(7), d.test.labels[7]), (Some(classes(first)), classes(first)[1] as u8));
    assert_eq!(*d.test.image(7), picture(first));
    // The first of a split are a sample of all.
    for shape in 0..3 {
        let n = d.test.labels[..3000].iter().filter(|&&l| l == shape).count();
        // 1000 ± 26.
        assert!((850..1150).contains(&n), "{n} of 3000 are of shape {shape}");
    }
    let d = sprites(5000, 200);
    assert_eq!((d.train.len(), d.validation.len(), d.test.len()), (200, 200, 200));
    assert_eq!(sprites(5000, 0).test.len(), 5000);
    let e = data::load("sprites", &Options { test: COUNT, ..Options::WHOLE }).unwrap_err();
    assert_eq!(e.exit_code(), 2);
    let e = data::load("mnist", &Options { test: 5, ..Options::WHOLE }).unwrap_err();
    assert_eq!(e.to_string(), "`mnist` has test images of its own: data.test = 5 must be 0");
}

#[test]
fn a_model_learns_the_same_from_them_on_every_device() {
    let c = settings(
        "beta-vae",
        &["data.name=sprites", "model.hidden=[32]", "model.latent=4", "train.batch=16", "data.binarise=none"],
    );
    let mut first: Option<Vec<f32>> = None;
    for device in devices() {
        let mut s = Session::new(exec::open(&device).unwrap(), &c, sprites(50, 64), None).unwrap();
        let d = s.reconstruct("test", 3, 5).unwrap();
        let test = sprites(50, 64).test;
        for (i, x) in d.inputs.chunks(PIXELS).enumerate() {
            assert!(x.iter().zip(&*test.image(3 + i)).all(|(x, b)| *x == f32::from(*b) / 255.0), "{device}, image {i}");
        }
        // Past an epoch of 4 steps.
        let losses: Vec<f32> = steps(&mut s, 10).iter().map(|row| row[0]).collect();
        assert!(losses[9] < losses[0], "{device}: {losses:?}");
        let first = first.get_or_insert_with(|| losses.clone());
        for (l, f) in losses.iter().zip(first) {
            assert!((l - *f).abs() <= 1e-3 * f.abs(), "{device}: {l}, and {f} on the first");
        }
    }
}

#[test]
fn data_writes_what_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let read = |name: &str| std::fs::read(at.join(name)).unwrap();
    let (out, _) = succeeds(at, "data sprites");
    assert!(out.contains("sprites: 64 × 64\n") && out.contains("train        663,552  labels 0 to 2\n"), "{out}");
    assert!(out.contains("orientation 40, x 32, y 32"), "{out}");
    succeeds(at, "data sprites --index 0,700000-700002 --out a.npy --labels f.npy");
    let a = read("a.npy");
    let wanted: Vec<u8> = [0, 700_000, 700_001, 700_002].into_iter().flat_map(picture).collect();
    assert_eq!(a[a.len() - wanted.len()..], wanted);
    succeeds(at, "data sprites --factors f.npy --out b.npy --labels g.npy");
    assert_eq!((&read("b.npy"), &read("g.npy")), (&a, &read("f.npy")), "factors draw what they were read from");
    succeeds(at, "data mnist --split test -n 5 --out m.png --labels l.npy");
    assert!(read("m.png").starts_with(b"\x89PNG") && read("l.npy").ends_with(&[7, 2, 1, 0, 4]));
    // And what was written is a data set.
    let (out, _) = succeeds(at, "data a.npy");
    assert!(out.starts_with("a.npy: 64 × 64\ntrain              3\ntest               1\n"), "{out}");
    // What chooses images asks for a place to write them to.
    for words in
        ["data mnist -n 5", "data mnist --split test", "data sprites --index 0", "data sprites --factors f.npy"]
    {
        let o = elbo(at, words);
        let text = String::from_utf8(o.stderr).unwrap();
        assert!(o.status.code() == Some(2) && o.stdout.is_empty() && text.contains("--out <FILE>"), "{words}: {text}");
    }
    for (words, part, code) in [
        ("data mnist --out m.gif", "m.gif does not end in .png or .npy", 2),
        ("data mnist --index 3-1 --out m.png", "--index: `3-1` must rise, and stay below 60000", 2),
        ("data mnist --index x --out m.png", "`x` is no number and no range", 2),
        ("data mnist --factors f.npy --out m.png", "`mnist` is no set of sprites", 2),
        ("data sprites --factors l.npy --out m.png", "l.npy has 1 columns", 1),
        ("data a.npy --labels b.npy", "`a.npy` has no labels to write", 2),
        ("data nothing", "no data set, folder or file named `nothing`", 2),
    ] {
        let o = elbo(at, words);
        let text = String::from_utf8(o.stderr).unwrap();
        assert!(text.contains(part) && text.lines().count() == 1, "{words}: {text}");
        assert_eq!(o.status.code(), Some(code), "{words}: {text}");
    }
}
