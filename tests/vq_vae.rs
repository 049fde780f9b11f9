//! VQ-VAE and VQ-VAE-2 on digits: what training does to the codebook, what evaluation says of it, codes in files.

#[path = "common/run.rs"]
mod run;

use elbo::config::Config;
use elbo::exec::Choice;
use elbo::models::Level;
use run::{mean, mnist, refusal, session, settings, steps, succeeds, ten_losses_agree};

/// A small network, quick to train.
const SMALL: [&str; 6] = [
    "model.channels=16",
    "model.residual=8",
    "model.dimensions=8",
    "model.entries=32",
    "train.batch=32",
    "data.limit=512",
];

fn small(recipe: &str, more: &[&str]) -> Config {
    settings(recipe, &[&SMALL[..], more].concat())
}

#[test]
fn ten_losses_agree_on_every_executor() {
    for more in [&[][..], &["model.books=2"], &["model.pixel=softmax", "train.batch=8"]] {
        ten_losses_agree("vq-vae", &[&SMALL[..], more].concat());
    }
    let gradient = ["model.update=gradient", "model.dead=0", "model.start=uniform"];
    ten_losses_agree("vq-vae", &[&SMALL[..], &gradient].concat());
}

/// Ten epochs over 512 digits, from entries about 0: with replacement all 32 are used, without it 20 were.
#[test]
fn the_error_falls_and_replacement_puts_the_whole_book_to_use() {
    let [with, without] = [0.1, 0.0].map(|dead| {
        let dead = format!("model.dead={dead}");
        let c = small("vq-vae", &["model.start=uniform", "optimizer.learning_rate=3e-3", &dead]);
        let mut s = session(&Choice::Cpu, &c);
        let rows = steps(&mut s, 320);
        let columns = s.columns(0);
        let at = |name: &str| columns.iter().position(|c| c == name).unwrap_or_else(|| panic!("{name} of {columns:?}"));
        let (error, perplexity) = (at("squared error"), at("perplexity"));
        assert!(rows[319][error] < 0.25 * rows[0][error], "{} to {}", rows[0][error], rows[319][error]);
        assert!(rows.iter().all(|r| (0.999..=32.0).contains(&r[perplexity])), "a perplexity of 32 entries");
        let e = s.evaluate("test").unwrap();
        assert_eq!(e, s.evaluate("test").unwrap(), "two evaluations agree");
        assert!((mean(&e, "MSE") * 784.0 - mean(&e, "squared error")).abs() < 1e-3);
        // What evaluation counts is what encoding gives.
        let indices = s.indices("test", 0, 512).unwrap();
        let seen = indices.iter().copied().collect::<std::collections::BTreeSet<u32>>().len() as f64;
        assert_eq!((indices.len(), seen), (512 * 49, mean(&e, "codes used")));
        assert!(mean(&e, "perplexity") <= seen);
        // A step may use what no test image does, but not the other way about for long.
        assert!(s.recently_used(16).unwrap()[0].1 >= seen - 1.0);
        e
    });
    let used = [&with, &without].map(|e| mean(e, "codes used"));
    assert!(used[0] >= 29.0 && used[1] <= 26.0, "{used:?} of 32 entries");
    assert!(mean(&with, "perplexity") > 1.5 * mean(&without, "perplexity"), "{with:?}, {without:?}");
}

#[test]
fn discrete_codes_decode_to_the_reconstruction() {
    for recipe in ["vq-vae", "vq-vae-2"] {
        let c = small(recipe, &["model.books=2"]);
        let mut s = session(&Choice::Cpu, &c);
        steps(&mut s, 4);
        let d = s.reconstruct("test", 3, 20).unwrap();
        let indices = s.indices("test", 3, 20).unwrap();
        assert_eq!(s.decode_indices(&indices).unwrap(), d.pictures, "{recipe}: to the last bit");
        let codes: usize = s.levels().iter().map(Level::codes).sum();
        assert_eq!(indices.len(), 20 * codes);
        // An entry of the book, wherever it is used, is what the code has there.
        let (level, w) = (s.levels()[0].clone(), 4);
        let book = s.codebook(&level).unwrap();
        let entry = &book[indices[0] as usize * w..][..w];
        assert_eq!(&d.codes[..w], entry, "{recipe}");
        assert!(s.decode_indices(&indices[1..]).unwrap_err().to_string().contains("no whole examples"), "{recipe}");
        let mut wrong = indices.clone();
        wrong[5] = 32;
        assert_eq!(
            s.decode_indices(&wrong).unwrap_err().to_string(),
            "the code 32 is not in its book: codes are below 32"
        );
    }
}

#[test]
fn codes_and_books_are_files_that_go_back_to_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let set: String = SMALL.iter().map(|s| format!(" --set {s}")).collect();
    let set = set.replace("data.limit=512", "data.limit=64");
    for (recipe, books) in [("vq-vae", vec!["book.npy"]), ("vq-vae-2", vec!["book-top.npy", "book-bottom.npy"])] {
        succeeds(at, &format!("train {recipe} --device cpu --quiet --steps 3{set} --out {recipe}"));
        assert!(
            at.join(recipe).join("report.html").is_file()
                && at.join(recipe).join("samples/reconstructions.png").is_file()
        );
        succeeds(at, &format!("encode {recipe} --device cpu --out codes.npy --codebook book.npy"));
        for book in books {
            let bytes = std::fs::read(at.join(book)).unwrap();
            assert_eq!(npyz::NpyFile::new(&bytes[..]).unwrap().shape(), [1, 32, 8], "{recipe}: {book}");
        }
        succeeds(at, &format!("decode {recipe} codes.npy --device cpu --out decoded.npy"));
        succeeds(at, &format!("reconstruct {recipe} -n 64 --device cpu --out both.npy"));
        let [decoded, both] = ["decoded.npy", "both.npy"].map(|name| std::fs::read(at.join(name)).unwrap());
        let pictures = 64 * 784 * 4;
        assert_eq!(decoded[decoded.len() - pictures..], both[both.len() - pictures..], "{recipe}");
        let (text, _) = succeeds(at, &format!("eval {recipe} --device cpu"));
        assert!(text.contains("codes used") && text.contains("MSE 0."), "{text}");
        let ablated = text.contains("replaced by its mean") && at.join(recipe).join("samples/ablation.png").is_file();
        assert_eq!(ablated, recipe == "vq-vae-2", "{text}");
    }
    // Those of two levels are not those of one.
    let done = run::elbo(at, "decode vq-vae codes.npy --device cpu --out wrong.npy");
    let text = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(2), "{text}");
    assert!(text.contains("codes.npy has 58 codes in each of its 64 rows, and this model has 49 an example"), "{text}");
    assert!(!at.join("wrong.npy").exists());
}

/// The codebook, its averages and its ages are state: they are in the checkpoint.
#[test]
fn a_resumed_run_ends_in_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let set: String = SMALL.iter().map(|s| format!(" --set {s}")).collect();
    let set = set.replace("data.limit=512", "data.limit=128");
    let train = format!("train vq-vae --device cpu --quiet{set}");
    succeeds(at, &format!("{train} --steps 6 --out whole"));
    succeeds(at, &format!("{train} --steps 3 --out parts"));
    succeeds(at, &format!("{train} --steps 6 --out parts --resume"));
    let [whole, parts] =
        ["whole", "parts"].map(|run| std::fs::read(at.join(run).join("checkpoints/step-6.safetensors")).unwrap());
    assert!(whole == parts, "other bytes at step 6");
    let metrics = std::fs::read_to_string(at.join("parts/metrics.jsonl")).unwrap();
    let epoch = metrics.lines().find(|line| line.contains("\"kind\":\"epoch\"")).expect("an epoch is 4 steps");
    assert!(epoch.contains("\"codes used\":"), "{epoch}");
}

#[test]
fn ablations_say_what_a_level_carries() {
    let c = small("vq-vae-2", &[]);
    let mut s = session(&Choice::Cpu, &c);
    steps(&mut s, 64);
    let e = s.evaluate("test").unwrap();
    let (shown, ablations) = elbo::train::ablation::ablations(&mut s, "test", 5).unwrap().unwrap();
    assert_eq!((shown.len(), ablations.len()), (5 * 784, 3));
    let error = |i: usize| ablations[i].squared_error;
    assert_eq!(ablations.iter().map(|a| a.level).collect::<Vec<_>>(), ["", "top", "bottom"]);
    assert!((error(0) - mean(&e, "squared error")).abs() < 1e-2, "nothing replaced: {} and {e:?}", error(0));
    assert!(error(1) > error(0) && error(2) > error(0), "{}, {}, {}", error(0), error(1), error(2));
    assert_eq!(mean(&e, "top codes used").fract(), 0.0);
    let none = elbo::train::ablation::ablations(&mut session(&Choice::Cpu, &small("vq-vae", &[])), "test", 5);
    assert!(none.unwrap().is_none());
}

#[test]
fn settings_that_do_not_fit_are_refused() {
    let refused = |changes: &[&str]| refusal("vq-vae", changes);
    assert_eq!(refused(&["model.books=3"]), "model.dimensions = 16 is no multiple of model.books = 3");
    assert_eq!(refused(&["model.decay=1.0"]), "model.decay must be at least 0 and below 1, not 1");
    assert_eq!(refused(&["model.entries=0"]), "model.entries must be at least 1, not 0");
    assert_eq!(
        refused(&["model.channels=3"]),
        "model.channels must be even, not 3: the outermost layers have half of them"
    );
    assert!(refused(&["model.update=gradient"]).starts_with("model.update = \"gradient\" takes model.dead = 0"));
    assert!(refused(&["classifier.classes=10"]).starts_with("classifier.classes must be 0 where model.kind is vq-vae"));
    assert_eq!(mnist().shape.iter().product::<usize>(), 784);
}
