//! Where shipped data is looked for: `$ELBO_ASSETS`, then `../share/elbo` beside the executable (an installed elbo),
//! then the source tree that built it.

use std::path::{Path, PathBuf};

use crate::values::{Error, Result};

/// The shipped folder `name` in the first place where it holds all of `files`.
pub fn folder(name: &str, files: &[&str]) -> Result<PathBuf> {
    let set = std::env::var_os("ELBO_ASSETS").filter(|v| !v.is_empty()).map(PathBuf::from);
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.parent()?.join("share").join("elbo")));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    let places: Vec<PathBuf> = set.into_iter().chain(beside).chain([source]).collect();
    first(&places, name, files)
}

/// Where packages of Debian, `dataset-NAME`, install data.
const PACKAGES: &str = "/usr/share/datasets";

/// The folder `name` of a package of Debian, if it holds all of `files`.
pub fn packaged(name: &str, files: &[&str]) -> Result<PathBuf> {
    packaged_in(Path::new(PACKAGES), name, files)
}

fn packaged_in(root: &Path, name: &str, files: &[&str]) -> Result<PathBuf> {
    let dir = root.join(name);
    if files.iter().all(|f| dir.join(f).is_file()) {
        return Ok(dir);
    }
    Err(Error::failure(format!(
        "`{name}` is not on this machine ({} does not hold {}): install Debian's package dataset-{name}, or give a folder of \
         these files in place of the name",
        dir.display(),
        files.join(", ")
    )))
}

fn first(places: &[PathBuf], name: &str, files: &[&str]) -> Result<PathBuf> {
    let complete = |dir: &PathBuf| files.iter().all(|f| dir.join(f).is_file());
    let tried: Vec<PathBuf> = places.iter().map(|p| p.join(name)).collect();
    if let Some(dir) = tried.iter().find(|d| complete(d)) {
        return Ok(dir.clone());
    }
    let list: Vec<String> = tried.iter().map(|d| d.display().to_string()).collect();
    Err(Error::failure(format!(
        "the shipped data of `{name}` ({}) was not found complete in any of: {}; set ELBO_ASSETS to the `assets` folder \
         of an elbo source tree, or give a folder of data in place of the name",
        files.join(", "),
        list.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_that_is_not_installed_is_named() {
        let tmp = tempfile::tempdir().unwrap();
        let text = packaged_in(tmp.path(), "fashion-mnist", &["x"]).unwrap_err().to_string();
        assert!(text.contains("install Debian's package dataset-fashion-mnist"), "{text}");
        std::fs::create_dir(tmp.path().join("fashion-mnist")).unwrap();
        std::fs::write(tmp.path().join("fashion-mnist/x"), "").unwrap();
        assert_eq!(packaged_in(tmp.path(), "fashion-mnist", &["x"]).unwrap(), tmp.path().join("fashion-mnist"));
    }

    #[test]
    fn the_first_complete_place_is_taken_and_a_miss_lists_them_all() {
        let tmp = tempfile::tempdir().unwrap();
        let places = ["a", "b", "c"].map(|p| tmp.path().join(p));
        for (place, files) in places.iter().zip([&["x"][..], &["x", "y"], &["x", "y"]]) {
            std::fs::create_dir_all(place.join("set")).unwrap();
            files.iter().for_each(|f| std::fs::write(place.join("set").join(f), "").unwrap());
        }
        assert_eq!(first(&places, "set", &["x", "y"]).unwrap(), places[1].join("set"));
        let text = first(&places, "set", &["z"]).unwrap_err().to_string();
        assert!(places.iter().all(|p| text.contains(&p.join("set").display().to_string())), "{text}");
        assert!(text.contains("ELBO_ASSETS"), "{text}");
    }
}
