//! What a run leaves to be seen: report.html and the pictures in it, and the commands that draw more.

#[path = "common/run.rs"]
mod run;

use run::{elbo, succeeds};
use std::path::Path;

const SMALL: &str = "--device cpu --steps 30 --quiet --set data.limit=256 --set data.validation=64 --set train.batch=32 \
                     --set train.log_every=2 --set model.hidden=[32]";

fn signature(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    bytes[..4].to_vec()
}

/// What a browser would load: the values of every `src`, `href` and `url(`.
fn loaded(html: &str) -> Vec<&str> {
    let after = |mark: &'static str, end: char| {
        html.split(mark).skip(1).map(move |rest| rest.split(end).next().unwrap_or_default())
    };
    after("src=\"", '"').chain(after("href=\"", '"')).chain(after("url(", ')')).collect()
}

#[test]
fn a_run_ends_with_one_file_that_shows_it_and_asks_for_nothing() {
    let dir = tempfile::tempdir().unwrap();
    succeeds(dir.path(), &format!("train beta-vae {SMALL} --set model.latent=5 --out run"));
    let run = dir.path().join("run");
    for name in ["samples", "reconstructions", "interpolation", "traversals"] {
        assert_eq!(signature(&run.join(format!("samples/{name}.png"))), b"\x89PNG", "{name}");
    }
    assert_eq!(signature(&run.join("samples/traversals.gif")), b"GIF8");
    for name in ["curves", "codes"] {
        assert_eq!(signature(&run.join(format!("samples/{name}.svg"))), b"<svg", "{name}");
    }
    let html = std::fs::read_to_string(run.join("report.html")).unwrap();
    let wanted = loaded(&html);
    // Samples, reconstructions, interpolation, five dimensions, and the moving picture.
    assert_eq!(wanted.len(), 9, "{wanted:?}");
    assert!(wanted.iter().all(|w| w.starts_with("data:image/")), "{wanted:?}");
    for word in
        ["-ELBO, nats", "beta-vae 784-32-(5)-32-784", "loss", "validation", "elbo train config.toml", "beta = 4"]
    {
        assert!(html.contains(word), "no `{word}`");
    }
    // Made anew from the checkpoint, it is the same to the byte.
    std::fs::remove_file(run.join("report.html")).unwrap();
    succeeds(dir.path(), "report run --device cpu");
    assert_eq!(std::fs::read_to_string(run.join("report.html")).unwrap(), html);
}

#[test]
fn every_kind_of_model_has_a_report_and_a_classifier_too() {
    let dir = tempfile::tempdir().unwrap();
    succeeds(dir.path(), &format!("train ae {SMALL} --set model.latent=2 --out ae"));
    let html = std::fs::read_to_string(dir.path().join("ae/report.html")).unwrap();
    // No prior: no samples, and a traversal goes by the codes' own spread; two dimensions are drawn as they are.
    assert!(!html.contains("<h2>Samples") && html.contains("3 standard deviations below"));
    assert!(html.contains("z1\n") && html.contains("z2\n"), "axes by name");
    succeeds(dir.path(), "finetune ae --device cpu --steps 5 --quiet --out labels");
    let html = std::fs::read_to_string(dir.path().join("labels/report.html")).unwrap();
    assert!(html.contains("error, %") && html.contains("<h2>Codes") && !html.contains("<h2>Traversals"));
}

#[test]
fn dimensions_are_followed_by_name_and_what_is_not_there_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    succeeds(dir.path(), &format!("train vae {SMALL} --set model.latent=3 --out run"));
    let (out, _) = succeeds(dir.path(), "traverse run --device cpu --dims 3,1 --example 2 --columns 5");
    assert_eq!(out.trim(), "run/samples/traverse.png");
    let bytes = std::fs::read(dir.path().join("run/samples/traverse.png")).unwrap();
    let reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    // Twice the size, and gaps of two: five a row, two rows.
    assert_eq!((reader.info().width, reader.info().height), (5 * 58 + 2, 2 * 58 + 2));
    succeeds(dir.path(), "traverse run --device cpu --out moves.gif");
    assert_eq!(signature(&dir.path().join("moves.gif")), b"GIF8");
    for (words, sentence) in [
        ("--dims 4", "--dims 4: the code has 3 dimensions, from 1"),
        ("--dims 0", "--dims 0: the code has 3 dimensions, from 1"),
        ("--example 256", "--example 256 is not in the test set: it has 256, from 0"),
        ("--columns 1", "--columns must be at least 2: the two ends"),
        ("--out x.jpg", "x.jpg does not end in .png, and pictures are PNG"),
    ] {
        let o = elbo(dir.path(), &format!("traverse run --device cpu {words}"));
        assert_eq!(o.status.code(), Some(2), "{words}");
        assert_eq!(String::from_utf8(o.stderr).unwrap(), format!("elbo: {sentence}\n"));
    }
}
