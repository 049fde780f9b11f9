//! The floors of the crate: a module uses its own floor and those below, never one above.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The floor of a module: the first part of its path under src.
fn floor(module: &str) -> usize {
    match module {
        "values" => 0,
        "config" | "kernels" => 1,
        "graph" => 2,
        "plan" => 3,
        "exec" => 4,
        "nn" => 5,
        "models" => 6,
        "data" | "train" | "checkpoint" | "report" | "bench" | "check" | "eval" => 7,
        "cli" | "main" => 8,
        other => panic!("the module `{other}` has no floor; give it one here"),
    }
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

fn word(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())]
}

fn is_module(name: &str) -> bool {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    src.join(name).is_dir() || src.join(format!("{name}.rs")).is_file()
}

/// The modules that a source names after `crate::`, in `use` lines and elsewhere, comments left out.
fn named(source: &str) -> Vec<String> {
    let code: Vec<&str> = source.lines().map(|l| l.split("//").next().unwrap_or_default()).collect();
    let code = code.join("\n");
    let mut names = Vec::new();
    for (at, found) in code.match_indices("crate::") {
        let rest = &code[at + found.len()..];
        match rest.strip_prefix('{') {
            // use crate::{a, b::{c, d}}: the words at depth 1 that begin an item.
            Some(list) => {
                let (mut depth, mut begins) = (1, true);
                for (i, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 1 => begins = true,
                        c if c.is_whitespace() => {}
                        _ if begins && depth == 1 => {
                            names.push(word(&list[i..]).to_string());
                            begins = false;
                        }
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
            // A path to the crate's own root, in a test that is text or in a macro, names no module.
            None if !is_module(word(rest)) => {}
            None => names.push(word(rest).to_string()),
        }
    }
    names
}

/// Every edge upward, as text.
fn upward(module: &str, source: &str) -> Vec<String> {
    let above = |name: &String| floor(name) > floor(module);
    named(source).into_iter().filter(above).map(|name| format!("{module} uses {name}")).collect()
}

#[test]
fn no_module_uses_a_floor_above_its_own() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let (mut bad, mut edges) = (Vec::new(), BTreeMap::new());
    for file in files {
        let inside = file.strip_prefix(&root).unwrap();
        let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
        let module = first.trim_end_matches(".rs");
        if module == "lib" {
            continue;
        }
        let source = std::fs::read_to_string(&file).unwrap();
        *edges.entry(module.to_string()).or_insert(0) += named(&source).len();
        bad.extend(upward(module, &source).into_iter().map(|b| format!("{}: {b}", inside.display())));
    }
    assert!(bad.is_empty(), "edges upward:\n{}", bad.join("\n"));
    // The reader is not blind: these are known to stand on others.
    for module in ["kernels", "graph", "plan", "exec", "nn", "models", "train", "cli"] {
        assert!(edges[module] > 0, "no `crate::` was found in {module}");
    }
}

#[test]
fn an_edge_upward_is_seen() {
    assert_eq!(upward("graph", "use crate::plan::Plan;\nuse crate::values::Shape;"), ["graph uses plan"]);
    assert_eq!(upward("plan", "use crate::{\n    values::{Shape, cli},\n    nn,\n};"), ["plan uses nn"]);
    assert_eq!(upward("kernels", "fn f() -> crate::exec::Cpu { todo!() } // crate::cli"), ["kernels uses exec"]);
    assert!(upward("exec", "use crate::plan::Plan; /// crate::cli").is_empty());
}
