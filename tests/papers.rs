//! The papers against the tree: every file that they name exists, and so does every command and option.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

const PAPERS: [(&str, &str); 4] = [
    ("README.md", include_str!("../README.md")),
    ("ARCHITECTURE.md", include_str!("../ARCHITECTURE.md")),
    ("CONTRIBUTING.md", include_str!("../CONTRIBUTING.md")),
    ("assets/recipes/README.md", include_str!("../assets/recipes/README.md")),
];
const FOLDERS: [&str; 7] = ["src/", "shaders/", "tests/", "assets/", "scripts/", "benches/", ".ci/"];

#[test]
fn every_file_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for (paper, text) in PAPERS {
        for word in text.split(|c: char| !(c.is_alphanumeric() || "/._-".contains(c))) {
            let path = word.trim_end_matches(['.', '-']);
            // NAME stands for a file that a reader is to write.
            if FOLDERS.iter().any(|f| path.starts_with(f)) && !path.contains("NAME") {
                assert!(root.join(path).exists(), "{paper} names {path}, which is not there");
                seen += 1;
            }
        }
    }
    assert!(seen > 100, "only {seen} files are named: are they still recognised?");
}

fn help(words: &[&str]) -> Option<String> {
    let out = Command::new(env!("CARGO_BIN_EXE_elbo")).args(words).arg("--help").output().unwrap();
    out.status.success().then(|| String::from_utf8(out.stdout).unwrap())
}

/// The `--long` options of a text.
fn options(text: &str) -> impl Iterator<Item = &str> {
    let word = |c: char| c.is_ascii_lowercase() || c == '-';
    text.split(move |c| !word(c)).filter(|w| w.len() > 2 && w.starts_with("--"))
}

/// What the README sets as code: inline, or a line of a block, without its comment.
fn codes(text: &str) -> Vec<&str> {
    text.lines()
        .flat_map(|l| match l.strip_prefix("    ") {
            Some(code) => vec![code.trim().trim_start_matches("$ ").split(" #").next().unwrap_or_default()],
            None => l.split('`').skip(1).step_by(2).collect(),
        })
        .collect()
}

#[test]
fn every_command_and_option_in_the_readme_exists() {
    let mut known: HashMap<Vec<&str>, String> = HashMap::new();
    let codes = codes(PAPERS[0].1);
    for code in &codes {
        let words: Vec<&str> = code.split_whitespace().collect();
        if words.first() != Some(&"elbo") {
            continue;
        }
        let depth = match words.get(1) {
            Some(&"bench") => 2,
            Some(&"help") | None => continue,
            _ => 1,
        };
        let command = words[1..].iter().copied().take(depth).collect::<Vec<_>>();
        let text = help(&command).unwrap_or_else(|| panic!("README.md: `{code}`: no such command"));
        for option in options(code) {
            assert!(options(&text).any(|o| o == option), "README.md: `{code}`: no option {option}");
        }
        known.insert(command, text);
    }
    assert!(known.len() >= 5, "only {:?} are named: are they still recognised?", known.keys());
    for code in codes.iter().filter(|c| c.starts_with("--")) {
        for option in options(code).take(1) {
            assert!(known.values().any(|t| options(t).any(|o| o == option)), "README.md: no command has {option}");
        }
    }
}
