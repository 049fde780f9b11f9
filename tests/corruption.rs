//! Random damage to files of every format: no panic, one sentence each, and no more memory than the file can hold. Alone in
//! its process, so that the memory that is counted is its own.

#[path = "common/files.rs"]
mod files;

use elbo::config::Label;
use elbo::data::{self, Options};
use elbo::values::{Philox, stream};
use files::{cifar, dsprites, gz, keras, npy, npz, picture, put};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Deflate's ratio: the most that a file may be unpacked to.
const RATIO: usize = 1032;
/// A reader has what is unpacked as bytes, as numbers of 4 bytes, and as both for a while.
const COPIES: usize = 8;
/// Buffers, tables of decoders, sentences.
const BASE: usize = 256 << 10;
/// Cases a format.
const CASES: u32 = 400;

/// A byte that says more: sizes are told by large ones.
const LARGE: [u8; 6] = [0xff, 0x7f, 0x80, 0x00, b'9', b'('];

fn damaged(whole: &[u8], rng: &Philox, i: u32) -> Vec<u8> {
    let [kind, at, value, more] = rng.block(i);
    let mut bytes = whole.to_vec();
    // Every other hit is in the first 128 bytes or the last 64, where headers and directories are.
    let place = |w: u32, kind: u32| match kind % 4 {
        0 => w as usize % whole.len().min(128),
        1 => whole.len() - 1 - w as usize % whole.len().min(64),
        _ => w as usize % whole.len(),
    };
    match kind >> 8 & 3 {
        0 => bytes.truncate(place(at, kind)),
        1 => bytes[place(at, kind)] ^= 1 << (value % 8),
        2 => {
            // A field of up to 8 bytes becomes huge.
            let from = place(at, kind);
            let to = (from + 1 + value as usize % 8).min(bytes.len());
            bytes[from..to].fill(LARGE[more as usize % LARGE.len()]);
        }
        _ => (0..1 + value % 8).for_each(|k| bytes[place(at.rotate_left(4 * k), kind >> k)] = (more >> k) as u8),
    }
    bytes
}

#[test]
fn damage_is_refused_in_a_sentence_and_within_memory() {
    let table: String = (0..20).map(|i| format!("{i},0,{i},16,8\n")).collect();
    let floats: Vec<u8> = (0..80).flat_map(|i| (i as f32 / 80.0).to_le_bytes()).collect();
    let doubles: Vec<u8> = (0..80).flat_map(|i| (f64::from(i) - 40.0).to_le_bytes()).collect();
    let idx: Vec<u8> = [&[0, 0, 8, 3, 0, 0, 0, 20, 0, 0, 0, 2, 0, 0, 0, 3][..], &files::six(20)].concat();
    // The file that is damaged, what is loaded, and how much more it may hold than it is long.
    let formats: Vec<(&str, &str, Vec<u8>, usize)> = vec![
        ("idx/train-images-idx3-ubyte", "idx", idx.clone(), 1),
        ("labels/train-labels-idx1-ubyte", "labels", [&[0, 0, 8, 1, 0, 0, 0, 20][..], &[3; 20]].concat(), 1),
        ("idxgz/train-images-idx3-ubyte.gz", "idxgz", gz(&idx), RATIO),
        ("a.npy", "a.npy", npy("<f4", false, &[20, 4], &floats), 1),
        ("stored.npz", "stored.npz", keras(false), 1),
        ("packed.npz", "packed.npz", keras(true), RATIO),
        ("dsprites.npz", "dsprites.npz", dsprites(), RATIO),
        ("sequences.npy", "sequences.npy", npy("<f8", false, &[20, 4], &doubles), 1),
        ("sequences.npz", "sequences.npz", npz(&[("x", npy("<f4", false, &[10, 4, 2], &floats))], true), RATIO),
        ("codes/train.npy", "codes", npy("<u2", false, &[20, 4], &[7; 160]), 1),
        ("a.csv", "a.csv", table.clone().into_bytes(), 1),
        ("b.csv.gz", "b.csv.gz", gz(table.as_bytes()), RATIO),
        ("cifar/data_batch_1.bin", "cifar", [cifar(1), cifar(2), cifar(3)].concat(), 1),
        ("png/0.png", "png", picture(true, false, 3), RATIO),
        ("jpeg/0.jpg", "jpeg", picture(true, true, 3), RATIO),
        ("grey/0.jpg", "grey", picture(false, true, 3), RATIO),
    ];
    let dir = tempfile::tempdir().unwrap();
    for (file, _, whole, _) in &formats {
        put(dir.path(), file, whole);
    }
    put(dir.path(), "labels/train-images-idx3-ubyte", &idx);
    put(dir.path(), "codes/test.npy", &npy("<u2", false, &[2, 4], &[7; 16]));
    put(dir.path(), "png/1.png", &picture(true, false, 4));
    put(dir.path(), "jpeg/1.jpg", &picture(true, true, 4));
    put(dir.path(), "grey/1.jpg", &picture(false, true, 4));
    for (file, loaded, whole, ratio) in formats {
        let path = dir.path().join(loaded);
        let options = Options { label: Label::First, ..Options::WHOLE };
        let load = || match loaded {
            "codes" => data::load_codes(&path, &options),
            _ if loaded.starts_with("sequences") => data::load_sequences(&path, &options),
            _ => data::load(path.to_str().unwrap(), &options),
        };
        load().unwrap_or_else(|e| panic!("{file}, whole: {e}"));
        let rng = Philox::new(1, stream(file, 0), 0);
        let (mut refused, mut most) = (0, 0.0f64);
        for i in 0..CASES {
            let bytes = damaged(&whole, &rng, i);
            put(dir.path(), file, &bytes);
            let before = MEMORY.current_usage();
            MEMORY.reset_peak_usage();
            let result = load();
            let grown = MEMORY.peak_usage() - before;
            most = most.max(grown as f64);
            let allowed = BASE + COPIES * ratio * bytes.len().max(1);
            assert!(grown <= allowed, "{file}, case {i}: {grown} bytes of memory for a file of {}", bytes.len());
            if let Err(e) = result {
                let text = e.to_string();
                assert!(!text.contains('\n') && text.contains(loaded), "{file}, case {i}: {text:?}");
                assert!(text.len() < 600, "{file}, case {i}: {text}");
                assert_eq!(e.exit_code(), 1, "{file}, case {i}: {text}");
                refused += 1;
            }
        }
        println!("{file}: {} bytes, {refused} of {CASES} refused, at most {:.0} KiB taken", whole.len(), most / 1024.0);
        // What only changes pixels is no damage that can be seen.
        assert!(refused > CASES / 8, "{file}: {refused} of {CASES} refused");
    }
}
