//! The data floor: the shipped MNIST is MNIST, users' folders load in every spelling, and no broken file is worse than
//! one sentence.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use elbo::data::{self, Dataset, Options, idx};
use elbo::values::{Error, Philox, Result};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use md5::{Digest, Md5};
use tempfile::TempDir;

const ALL: Options = Options::WHOLE;

fn gz(raw: &[u8]) -> Vec<u8> {
    let mut e = GzEncoder::new(Vec::new(), Compression::best());
    e.write_all(raw).unwrap();
    e.finish().unwrap()
}

fn idx_bytes(dims: &[u32], body: &[u8]) -> Vec<u8> {
    let extents = dims.iter().flat_map(|d| d.to_be_bytes());
    [0, 0, 8, dims.len() as u8].into_iter().chain(extents).chain(body.iter().copied()).collect()
}

/// n images of 2 × 3 pixels; image i is six times the byte i, and its label i too.
fn images(n: usize) -> Vec<u8> {
    let body: Vec<u8> = (0..n).flat_map(|i| [i as u8; 6]).collect();
    idx_bytes(&[n as u32, 2, 3], &body)
}

fn labels(n: usize) -> Vec<u8> {
    idx_bytes(&[n as u32], &(0..n).map(|i| i as u8).collect::<Vec<_>>())
}

fn folder(files: &[(&str, Vec<u8>)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, bytes)| std::fs::write(dir.path().join(name), bytes).unwrap());
    dir
}

fn load(dir: &TempDir, o: &Options) -> Result<Dataset> {
    data::load(dir.path().to_str().unwrap(), o)
}

/// A failure's text: one sentence that names the file and holds every one of `parts`.
fn check(e: &Error, code: u8, parts: &[&str]) {
    let text = e.to_string();
    assert_eq!(e.exit_code(), code, "{text}");
    assert!(!text.contains('\n'), "{text}");
    parts.iter().for_each(|p| assert!(text.contains(p), "{text:?} lacks {p:?}"));
}

fn shipped(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/mnist").join(file)
}

#[test]
fn the_shipped_files_are_mnist() {
    for (file, md5) in [
        ("train-images-idx3-ubyte", "6bbc9ace898e44ae57da46a324031adb"),
        ("train-labels-idx1-ubyte", "a25bea736e30d166cdddb491f175f624"),
        ("t10k-images-idx3-ubyte", "2646ac647ad5339dbf082846283269ea"),
        ("t10k-labels-idx1-ubyte", "27ae3e4e09519cfbb04c329615203637"),
    ] {
        let mut raw = Vec::new();
        let packed = std::fs::File::open(shipped(&format!("{file}.gz"))).unwrap();
        GzDecoder::new(packed).read_to_end(&mut raw).unwrap();
        let sum: String = Md5::digest(&raw).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(sum, md5, "{file}");
    }
}

#[test]
fn mnist_loads_whole() {
    let d = data::load("mnist", &Options { validation: 5000, limit: 0, ..Options::WHOLE }).unwrap();
    assert_eq!((d.name.as_str(), &d.shape[..]), ("mnist", &[28, 28, 1][..]));
    assert_eq!((d.train.len(), d.validation.len(), d.test.len()), (55_000, 5000, 10_000));
    assert_eq!((d.train.labels.len(), d.validation.labels.len(), d.test.labels.len()), (55_000, 5000, 10_000));
    assert_eq!((&d.train.labels[..5], &d.test.labels[..5]), (&[5, 0, 4, 1, 9][..], &[7, 2, 1, 0, 4][..]));
    // The mean intensity that the literature knows as 0.1307, over all 60,000.
    let sum: u64 = [&d.train, &d.validation].iter().flat_map(|s| s.bytes().into_owned()).map(u64::from).sum();
    let mean = sum as f64 / 255.0 / (60_000.0 * 784.0);
    assert!((mean - 0.1307).abs() < 5e-5, "{mean}");
}

#[test]
fn every_spelling_raw_or_gzipped_is_the_same_data() {
    let expected = {
        let d = folder(&[("train-images-idx3-ubyte", images(20)), ("t10k-images-idx3-ubyte", images(4))]);
        load(&d, &ALL).unwrap()
    };
    assert_eq!((expected.train.len(), expected.test.len(), expected.shape.as_slice()), (20, 4, &[2, 3, 1][..]));
    assert_eq!((&*expected.train.image(7), expected.train.labels.len()), (&[7; 6][..], 0));
    for dot in ["-", "."] {
        for (end, pack) in [("", false), (".gz", true), ("", true), (".gz", false)] {
            let put = |raw: Vec<u8>| if pack { gz(&raw) } else { raw };
            let d = folder(&[
                (&format!("train-images{dot}idx3-ubyte{end}"), put(images(20))),
                (&format!("train-labels{dot}idx1-ubyte{end}"), put(labels(20))),
                (&format!("t10k-images{dot}idx3-ubyte{end}"), put(images(4))),
                (&format!("t10k-labels{dot}idx1-ubyte{end}"), put(labels(4))),
            ]);
            let got = load(&d, &ALL).unwrap();
            assert_eq!((&got.train.images, &got.test.images), (&expected.train.images, &expected.test.images));
            assert_eq!((got.train.labels.len(), got.train.labels[7], got.test.labels[3]), (20, 7, 3));
            assert_eq!(got.name, d.path().file_name().unwrap().to_str().unwrap());
        }
    }
}

#[test]
fn validation_is_the_end_of_train_and_a_limit_moves_no_image() {
    let d = folder(&[
        ("train-images-idx3-ubyte", images(20)),
        ("train-labels-idx1-ubyte", labels(20)),
        ("t10k-images-idx3-ubyte", images(3)),
    ]);
    let got = load(&d, &Options { validation: 6, limit: 0, ..Options::WHOLE }).unwrap();
    assert_eq!(got.train.labels, (0..14).collect::<Vec<u8>>());
    assert_eq!(got.validation.labels, (14..20).collect::<Vec<u8>>());
    assert_eq!((&*got.validation.image(0), got.test.len()), (&[14; 6][..], 3));
    assert!(load(&d, &ALL).unwrap().validation.is_empty());

    let got = load(&d, &Options { validation: 6, limit: 5, ..Options::WHOLE }).unwrap();
    assert_eq!((&got.train.labels, got.train.bytes().len()), (&(0..5).collect(), 30));
    assert_eq!((&got.validation.labels, got.validation.bytes().len()), (&(14..19).collect(), 30));
    assert_eq!((got.test.len(), got.test.labels.len()), (3, 0));
    assert_eq!(load(&d, &Options { validation: 0, limit: usize::MAX, ..Options::WHOLE }).unwrap().train.len(), 20);

    for validation in [20, 21, usize::MAX] {
        let e = load(&d, &Options { validation, limit: 0, ..Options::WHOLE }).unwrap_err();
        check(&e, 2, &[&validation.to_string(), "20 training images", "at most 19"]);
    }
    assert_eq!(load(&d, &Options { validation: 19, limit: 0, ..Options::WHOLE }).unwrap().train.len(), 1);
}

#[test]
fn without_test_images_a_fixed_tenth_is_given_up() {
    let d = folder(&[("train-images-idx3-ubyte", images(200)), ("train-labels-idx1-ubyte", labels(200))]);
    let got = load(&d, &ALL).unwrap();
    assert_eq!((got.train.len(), got.test.len()), (180, 20));
    for s in [&got.train, &got.test] {
        assert!(s.labels.is_sorted() && (0..s.len()).all(|i| *s.image(i) == [s.labels[i]; 6]));
    }
    let mut all = [&got.train.labels[..], &got.test.labels[..]].concat();
    all.sort_unstable();
    assert_eq!(all, (0..200).collect::<Vec<u8>>());
    // Written down, for it must never change: neither with the options, nor with the folder, nor with a release.
    assert_eq!(got.test.labels, TENTH_OF_200);
    assert_eq!(load(&d, &Options { validation: 30, limit: 0, ..Options::WHOLE }).unwrap().test, got.test);
    let twin = folder(&[("train-images.idx3-ubyte.gz", gz(&images(200)))]);
    assert_eq!(load(&twin, &ALL).unwrap().test.images, got.test.images);

    let few = folder(&[("train-images-idx3-ubyte", images(2))]);
    let got = load(&few, &ALL).unwrap();
    assert_eq!((got.train.len(), got.test.len()), (1, 1));
    let one = folder(&[("train-images-idx3-ubyte", images(1))]);
    check(&load(&one, &ALL).unwrap_err(), 1, &["1 training image", "at least 2"]);
}

const TENTH_OF_200: [u8; 20] = [1, 3, 25, 40, 47, 55, 66, 68, 71, 72, 73, 109, 114, 154, 166, 169, 171, 174, 184, 185];

#[test]
fn a_folder_that_does_not_fit_together_is_refused() {
    const T: &str = "train-images-idx3-ubyte";
    type Case<'a> = (&'a [(&'a str, Vec<u8>)], &'a [&'a str]);
    let cases: [Case; 5] = [
        (&[], &["holds no training images", T, "train-images.idx3-ubyte.gz"]),
        (&[(T, images(4)), ("train-labels-idx1-ubyte", labels(3))], &["3 labels", "4 images", T]),
        (&[(T, images(4)), ("t10k-labels-idx1-ubyte", labels(3))], &["t10k-labels-idx1-ubyte", "not there"]),
        (&[(T, images(4)), ("t10k-images-idx3-ubyte", idx_bytes(&[1, 3, 2], &[0; 6]))], &["2 × 3", "3 × 2"]),
        (&[(T, images(4)), ("train-labels-idx1-ubyte", images(4))], &["train-labels", "1 axis", "00 00 08 03"]),
    ];
    for (files, parts) in cases {
        let d = folder(files);
        let e = load(&d, &ALL).unwrap_err();
        check(&e, 1, parts);
        check(&e, 1, &[d.path().to_str().unwrap()]);
    }
}

#[test]
fn an_unknown_name_is_a_usage_error_with_the_nearest_known() {
    check(
        &data::load("mnits", &ALL).unwrap_err(),
        2,
        &["no data set, folder or file named `mnits`", "did you mean `mnist`?"],
    );
    let e = data::load("qqq", &ALL).unwrap_err();
    check(&e, 2, &["`qqq`", "data sets: mnist, fashion-mnist, sprites"]);
    assert!(!e.to_string().contains("did you mean"), "{e}");
    check(&data::load(file!(), &ALL).unwrap_err(), 2, &["is a file of no known kind"]);
    let all =
        "mnist fashion-mnist sprites rectangles dictionary moving-mnist oscillator oscillator-recall emoji photographs";
    assert_eq!(data::names().collect::<Vec<_>>(), all.split(' ').collect::<Vec<_>>());
}

#[test]
fn the_extents_of_a_name_are_those_of_what_it_loads() {
    let mut seen = 0;
    for name in data::names() {
        // Fashion-MNIST is on few machines.
        let Ok(d) = data::load(name, &ALL) else {
            assert_eq!(name, "fashion-mnist");
            continue;
        };
        assert_eq!(data::extent(name), Some((d.shape, d.sequence.map(|s| s.frames))), "{name}");
        seen += 1;
    }
    assert!(seen >= 8 && data::extent("x.npy").is_none());
}

#[test]
fn every_malformed_file_is_one_sentence_with_its_numbers() {
    let raw = images(10); // 16 + 60 bytes
    let packed = gz(&raw);
    let half = packed.len() / 2;
    let longer = [&raw[..], &[0; 5]].concat();
    let bad_sum = {
        let mut p = packed.clone();
        let at = p.len() - 8;
        p[at] ^= 1;
        p
    };
    let size = packed.len().to_string();
    let cases: Vec<(Vec<u8>, Vec<&str>)> = vec![
        (vec![], vec!["holds 0 bytes of 16 of its IDX header"]),
        (raw[..7].to_vec(), vec!["holds 7 bytes of 16 of its IDX header"]),
        (vec![0x1f], vec!["begins with 1f, not 00 00 08 03"]),
        (b"\x89PNG\r\n\x1a\n".to_vec(), vec!["begins with 89 50 4e 47, not 00 00 08 03"]),
        (labels(30), vec!["begins with 00 00 08 01, not 00 00 08 03"]),
        (raw[..70].to_vec(), vec!["cut off", "holds 70 bytes of the 76"]),
        (longer.clone(), vec!["holds 81 bytes, more than the 76"]),
        (idx_bytes(&[0, 2, 3], &[]), vec!["holds nothing", "0 × 2 × 3"]),
        (idx_bytes(&[u32::MAX; 3], &[]), vec!["4294967295 × 4294967295", "4294967296", "the file has 16"]),
        (idx_bytes(&[1 << 20, 1 << 6, 1 << 5], &[]), vec!["holds 16 bytes of the 2147483664"]),
        (
            gz(&idx_bytes(&[1 << 20, 1 << 6, 1 << 5], &[])),
            vec!["2147483648 bytes, but its", "cannot unpack to more than"],
        ),
        (gz(&[]), vec!["unpacks to 0 bytes of 16 of its IDX header"]),
        (gz(&labels(30)), vec!["begins with 00 00 08 01"]),
        (gz(&raw[..70]), vec!["unpacks to 54 bytes of 60", "10 × 2 × 3"]),
        (gz(&longer), vec!["unpacks beyond the 76 bytes"]),
        (packed[..3].to_vec(), vec!["cut off", "gzip data (3 bytes) end after 0 bytes of 16"]),
        (packed[..half].to_vec(), vec!["cut off", "gzip data (", "bytes of"]),
        (packed[..packed.len() - 1].to_vec(), vec!["cut off", "end after 76 bytes of 76"]),
        (bad_sum, vec!["damaged", &size, "unpack to 76 bytes of 76"]),
        ([&packed[..], b"junk and more junk"].concat(), vec!["damaged", "unpack to 76 bytes of 76"]),
    ];
    let d = tempfile::tempdir().unwrap();
    let path = d.path().join("some-file");
    for (bytes, parts) in cases {
        std::fs::write(&path, bytes).unwrap();
        let e = idx::read(&path, 3).unwrap_err();
        check(&e, 1, &[path.to_str().unwrap()]);
        check(&e, 1, &parts);
    }
    check(&idx::read(&d.path().join("none"), 3).unwrap_err(), 1, &["cannot read", "none"]);
    check(&idx::read(d.path(), 3).unwrap_err(), 1, &["cannot read", "not a regular file"]);
    // Several gzip members in a row are one file (RFC 1952).
    std::fs::write(&path, [gz(&raw[..20]), gz(&raw[20..])].concat()).unwrap();
    assert_eq!(idx::read(&path, 3).unwrap().bytes, raw[16..]);
}

/// Runs alone in a process of its own, so that the system's count of its memory is its own.
#[test]
fn random_damage_neither_panics_nor_takes_memory() {
    const NAME: &str = "random_damage_neither_panics_nor_takes_memory";
    if std::env::var_os("ELBO_TEST_ALONE").is_none() {
        let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
        let done = alone.args(["--exact", NAME]).env("ELBO_TEST_ALONE", "1").output().unwrap();
        let text = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&done.stderr));
        return;
    }
    let raw = images(100);
    let d = tempfile::tempdir().unwrap();
    let path = d.path().join("damaged");
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        idx::read(&path, 3)
    };
    for whole in [raw.clone(), gz(&raw)] {
        assert_eq!(read(&whole).unwrap().bytes, raw[16..]);
        let before = peak();
        let mut refused = 0;
        for i in 0..500u32 {
            let [kind, at, bit, _] = Philox::new(1, 0, 0).block(i);
            // Every other hit is in the first 32 bytes: headers are where the damage can do most.
            let at = at as usize % if kind & 2 == 0 { 32 } else { whole.len() };
            let mut bytes = whole.clone();
            if kind & 1 == 0 {
                bytes.truncate(at)
            } else {
                bytes[at] ^= 1 << (bit % 8)
            }
            match read(&bytes) {
                Ok(got) => assert_eq!(got.bytes.len(), got.dims.iter().product::<usize>()),
                Err(e) => {
                    check(&e, 1, &[path.to_str().unwrap()]);
                    refused += 1;
                }
            }
        }
        assert!((300..=500).contains(&refused), "{refused} of 500 refused");
        let grown = peak() - before;
        assert!(grown < 4 << 10, "the address space grew by {grown} KiB");
    }
}

/// The largest address space so far in KiB: reserved memory counts, touched or not. 0 off Linux.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmPeak:"));
    line.map_or(0, |l| l.trim().trim_end_matches(" kB").parse().unwrap())
}
