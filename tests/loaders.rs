//! What users bring: archives and arrays of NumPy, tables, CIFAR-10, folders of pictures.

#[path = "common/files.rs"]
mod files;

use elbo::config::Label;
use elbo::data::{self, Dataset, Options};
use elbo::values::Result;
use files::{cifar, dsprites, gz, keras, npy, npz, picture, put, six};
use std::path::Path;
use tempfile::TempDir;

fn load(dir: &TempDir, name: &str, label: Label) -> Result<Dataset> {
    data::load(dir.path().join(name).to_str().unwrap(), &Options { label, ..Options::WHOLE })
}

/// The data set in a file of that name and content.
fn file(name: &str, bytes: &[u8]) -> Result<Dataset> {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), name, bytes);
    load(&dir, name, Label::Auto)
}

#[track_caller]
fn refused(r: Result<Dataset>, part: &str) {
    let e = r.expect_err(part);
    let text = e.to_string();
    assert!(text.contains(part) && !text.contains('\n'), "{text:?} lacks {part:?}");
    assert_eq!(e.exit_code(), 1, "{text}");
}

#[test]
fn archives_of_numpy_are_read_by_the_names_of_their_arrays() {
    for packed in [false, true] {
        let d = file("mnist.npz", &keras(packed)).unwrap();
        assert_eq!((d.name.as_str(), d.shape, d.train.len(), d.test.len()), ("mnist.npz", [2, 3, 1], 20, 4));
        assert_eq!((&*d.train.image(7), d.train.labels[7], d.test.labels[3]), (&[207; 6][..], 7, 3));
    }
    // The pickled metadata is not touched; the labels are the shapes, and 1 is white.
    let d = file("d.npz", &dsprites()).unwrap();
    assert_eq!((d.shape, d.train.len(), d.test.len()), ([4, 4, 1], 9, 1));
    assert!(d.train.bytes().iter().all(|b| [0, 255].contains(b)) && d.train.bytes().contains(&255));
    assert!(d.train.labels.iter().all(|&l| l < 3) && d.train.labels.contains(&2));
    let array = || npy("|u1", false, &[20, 2, 3], &six(20));
    let other = npy("|u1", false, &[4, 3, 2], &six(4));
    refused(
        file("a.npz", &npz(&[("x_train", array()), ("x_test", other)], true)),
        "[2, 3, 1] and test images of [3, 2, 1]",
    );
    let few = npy("|u1", false, &[19], &[1; 19]);
    refused(
        file("a.npz", &npz(&[("x_train", array()), ("y_train", few)], true)),
        "not a label for each of the 20 images",
    );
    refused(file("a.npz", &npz(&[("weights", array())], true)), "holds no array of images: none is called x_train");
    refused(file("a.npz", b"PK\x03\x04"), "is no .npz archive");
}

#[test]
fn arrays_of_numpy_have_any_type_of_number() {
    let whole = [0u8, 51, 102, 255].repeat(3);
    let want = |bytes: Vec<u8>, descr: &str, shape: &[usize]| {
        let d = file("a.npy", &npy(descr, false, shape, &bytes)).unwrap();
        let mut all: Vec<u8> = [d.train.bytes(), d.test.bytes()].iter().flat_map(|b| b.to_vec()).collect();
        all.sort_unstable();
        let mut sorted = whole.clone();
        sorted.sort_unstable();
        assert_eq!(all, sorted, "{descr}");
        d.shape
    };
    assert_eq!(want(whole.clone(), "|u1", &[3, 4]), [2, 2, 1]);
    assert_eq!(want(whole.clone(), "|u1", &[4, 3]), [1, 3, 1]);
    assert_eq!(want(whole.clone(), "|u1", &[2, 1, 2, 3]), [1, 2, 3]);
    let spread = |f: &dyn Fn(u8) -> Vec<u8>| whole.iter().flat_map(|&b| f(b)).collect::<Vec<u8>>();
    assert_eq!(want(spread(&|b| i64::from(b).to_le_bytes().to_vec()), "<i8", &[3, 2, 2]), [2, 2, 1]);
    assert_eq!(want(spread(&|b| u16::from(b).to_be_bytes().to_vec()), ">u2", &[3, 4]), [2, 2, 1]);
    assert_eq!(want(spread(&|b| (f32::from(b) / 255.0).to_le_bytes().to_vec()), "<f4", &[3, 4]), [2, 2, 1]);
    assert_eq!(want(spread(&|b| (f64::from(b) / 255.0).to_le_bytes().to_vec()), "<f8", &[3, 4]), [2, 2, 1]);
    for (descr, shape, bytes, part) in [
        ("<c8", &[1, 1][..], 8, "its numbers are of the type <c8"),
        ("|O", &[3, 4], 96, "type |O"),
        ("|u1", &[3], 3, "holds 3 numbers: images are [n, features]"),
        ("|u1", &[1, 2, 2, 2], 8, "holds 1 × 2 × 2 × 2 numbers"),
        ("|u1", &[0, 4], 0, "holds nothing"),
        ("|u1", &[2, 4], 12, "holds more than the 2 × 4 numbers"),
        ("|u1", &[40, 4], 12, "declares 40 × 4 numbers of 1 bytes"),
        ("<i8", &[1 << 40, 1 << 40], 12, "above the 4294967296"),
    ] {
        refused(file("a.npy", &npy(descr, false, shape, &vec![1; bytes])), part);
    }
    refused(file("a.npy", &npy("|u1", true, &[3, 4], &whole)), "its first index varying fastest");
    refused(file("a.npy", &npy("<f4", false, &[2, 1], &[0, 0, 0xc0, 0x7f, 0, 0, 0, 0])), "holds the number NaN");
    let deep = [b"\x93NUMPY\x01\x00\x00\x04", &[b'('; 1024][..]].concat();
    refused(file("a.npy", &deep), "its header is no description of an array");
}

#[test]
fn tables_have_their_labels_first_or_last_or_nowhere() {
    let rows = |f: &dyn Fn(usize) -> String| (0..10).map(|i| f(i) + "\n").collect::<String>();
    let pixels = |i: usize| format!("0,{i}, 16,8");
    let first = rows(&|i| format!("{i},{}", pixels(i)));
    let last = rows(&|i| format!("{},{i}", pixels(i)));
    let none = rows(&pixels);
    let dir = tempfile::tempdir().unwrap();
    for (name, text, label, labelled) in [
        ("a.csv", first.clone(), Label::First, true),
        ("b.csv", last.clone(), Label::Last, true),
        ("c.csv", none.clone(), Label::None, false),
        // No label is asked for where the pixels are a square.
        ("d.csv", none, Label::Auto, false),
        // A header says it.
        ("e.csv", format!("label,p0,p1,p2,p3\n{first}"), Label::Auto, true),
        ("f.csv", format!("p0,p1,p2,p3,Class\n{last}"), Label::Auto, true),
    ] {
        put(dir.path(), name, text.as_bytes());
        put(dir.path(), &format!("{name}.gz"), &gz(text.as_bytes()));
        for name in [name.to_string(), format!("{name}.gz")] {
            let d = load(&dir, &name, label).unwrap();
            assert_eq!(
                (d.shape, d.train.len(), d.test.len(), d.train.labels.len()),
                ([2, 2, 1], 9, 1, if labelled { 9 } else { 0 })
            );
            let i = usize::from(d.train.labels.get(3).copied().unwrap_or(3));
            let all: Vec<Vec<u8>> = (0..9).map(|i| d.train.image(i).to_vec()).collect();
            assert!(all.contains(&vec![0, (i as f32 * 255.0 / 16.0).round() as u8, 255, 128]), "{name}: {all:?}");
        }
    }
    put(dir.path(), "g.csv", first.as_bytes());
    refused(load(&dir, "g.csv", Label::Auto), "set data.label to first, last or none (it has 5)");
    refused(file("h.csv", b"1,2,3,4\n1,2\n"), "is no table of numbers");
    refused(file("h.csv", b"1,2,3,4\n1,x,3,4\n"), "holds `x` in row 2, column 2");
    refused(file("h.csv", b"1,2,3,300\n1,2,3,4\n"), "holds the number 300");
    refused(file("h.csv", b"a,b\n"), "holds no row of numbers");
    refused(file("h.csv", b""), "holds no row of numbers");
    put(dir.path(), "i.csv", b"-1,1\n2,3\n");
    refused(load(&dir, "i.csv", Label::First), "holds the label -1");
}

#[test]
fn cifar_is_read_pixel_by_pixel() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "c/data_batch_1.bin", &[cifar(3), cifar(9)].concat());
    put(dir.path(), "c/data_batch_4.bin", &cifar(0));
    put(dir.path(), "c/test_batch.bin", &cifar(5));
    let d = load(&dir, "c", Label::Auto).unwrap();
    assert_eq!((d.shape, &d.train.labels[..], &d.test.labels[..]), ([32, 32, 3], &[3, 9, 0][..], &[5][..]));
    let image = d.train.image(1);
    assert_eq!((&image[..3], &image[3..6], &image[3069..]), (&[1, 1, 1][..], &[10, 20, 30][..], &[10, 20, 30][..]));
    put(dir.path(), "c/data_batch_4.bin", &cifar(10));
    refused(load(&dir, "c", Label::Auto), "record 0 has the label 10");
    put(dir.path(), "c/data_batch_4.bin", &cifar(1)[1..]);
    refused(load(&dir, "c", Label::Auto), "has 3072 bytes: CIFAR-10's records are of 3073");
}

#[test]
fn folders_of_pictures_are_flat_or_have_classes() {
    let dir = tempfile::tempdir().unwrap();
    for i in 0..10u8 {
        put(dir.path(), &format!("flat/{i}.PNG"), &picture(false, false, i));
        put(dir.path(), &format!("classes/{}/{i}.jpg", ["a", "b"][usize::from(i / 5)]), &picture(true, true, i));
        put(dir.path(), &format!("parts/train/x/{i}.png"), &picture(true, false, i));
    }
    put(dir.path(), "flat/notes.txt", b"are passed over");
    put(dir.path(), "parts/test/x/0.png", &picture(false, false, 3));
    let d = load(&dir, "flat", Label::Auto).unwrap();
    assert_eq!((d.shape, d.train.len(), d.test.len(), d.train.labels.len()), ([4, 5, 1], 9, 1, 0));
    assert_eq!(d.train.image(0)[..7], [0, 40, 80, 120, 160, 20, 60]);
    let d = load(&dir, "classes", Label::Auto).unwrap();
    assert_eq!((d.shape, d.train.len(), d.test.len()), ([4, 5, 3], 9, 1));
    assert!(d.train.labels.iter().filter(|&&l| l == 1).count() >= 4 && d.train.labels.is_sorted());
    let d = load(&dir, "parts", Label::Auto).unwrap();
    assert_eq!((d.shape, d.train.len(), d.test.len()), ([4, 5, 3], 10, 1));
    assert_eq!(
        (d.train.image(2)[..3].to_vec(), d.test.image(0)[..6].to_vec()),
        (vec![2, 2, 2], vec![3, 3, 3, 43, 43, 43])
    );
    // What is transparent is on white.
    let mut bytes = std::io::Cursor::new(Vec::new());
    let clear = image::RgbaImage::from_fn(5, 4, |x, _| image::Rgba([100, 0, 0, if x == 0 { 0 } else { 255 }]));
    clear.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    put(dir.path(), "parts/test/x/0.png", bytes.get_ref());
    let d = load(&dir, "parts", Label::Auto).unwrap();
    assert_eq!(d.test.image(0)[..6], [255, 255, 255, 100, 0, 0]);

    let small = image::GrayImage::new(3, 4);
    let mut bytes = std::io::Cursor::new(Vec::new());
    small.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    put(dir.path(), "flat/z.png", bytes.get_ref());
    refused(load(&dir, "flat", Label::Auto), "has 3 × 4 pixels");
    put(dir.path(), "flat/z.png", b"no picture");
    refused(load(&dir, "flat", Label::Auto), "is no PNG or JPEG that can be read");
    std::fs::remove_file(dir.path().join("flat/z.png")).unwrap();
    put(dir.path(), "flat/sub/z.png", &picture(false, false, 0));
    refused(load(&dir, "flat", Label::Auto), "holds pictures beside folders of pictures");
}

#[test]
fn fashion_mnist_is_found_where_debian_installs_it() {
    let r = data::load("fashion-mnist", &Options::WHOLE);
    if Path::new("/usr/share/datasets/fashion-mnist").is_dir() {
        let d = r.unwrap();
        assert_eq!((d.shape, d.train.len(), d.test.len()), ([28, 28, 1], 60_000, 10_000));
        assert_eq!((&d.train.labels[..4], &d.test.labels[..4]), (&[9, 0, 0, 3][..], &[9, 2, 1, 1][..]));
    } else {
        refused(r, "install Debian's package dataset-fashion-mnist");
    }
}

#[test]
fn rectangles_are_outlines_labelled_by_which_side_is_longer() {
    let d = data::load("rectangles", &Options::WHOLE).unwrap();
    assert_eq!((d.shape, d.train.len(), d.test.len()), ([28, 28, 1], 12_000, 50_000));
    for i in (0..12_000).step_by(37) {
        let image = d.train.image(i);
        let on = |y: usize, x: usize| image[y * 28 + x] == 255;
        let rows: Vec<usize> = (0..28).filter(|&y| (0..28).any(|x| on(y, x))).collect();
        let columns: Vec<usize> = (0..28).filter(|&x| (0..28).any(|y| on(y, x))).collect();
        let (h, w) = (rows.len(), columns.len());
        assert_eq!(image.iter().filter(|&&b| b == 255).count(), 2 * (h + w) - 4, "image {i} is an outline");
        assert_eq!(d.train.labels[i], u8::from(h > w), "image {i}: {h} × {w}");
        assert_ne!(h, w);
    }
    let taller = d.train.labels.iter().filter(|&&l| l == 1).count();
    assert!((5700..6300).contains(&taller), "{taller} of 12000, 6000 ± 55 expected");
}
