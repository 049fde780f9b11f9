//! Recipes: settings under a name, in `assets/recipes/NAME.toml`. One is complete, or says by `base` what it changes of one
//! that is.

use super::assign::replace;
use super::check::{nearest, settings};
use crate::values::{Error, Result};
use toml::Table;

/// Every recipe, as (name, TOML text): what others change comes before them.
pub const RECIPES: &[(&str, &str)] = &[
    ("ae", include_str!("../../assets/recipes/ae.toml")),
    ("ae-sigmoid", include_str!("../../assets/recipes/ae-sigmoid.toml")),
    ("ae-paper", include_str!("../../assets/recipes/ae-paper.toml")),
    ("conv-ae", include_str!("../../assets/recipes/conv-ae.toml")),
    ("dae", include_str!("../../assets/recipes/dae.toml")),
    ("dae-paper", include_str!("../../assets/recipes/dae-paper.toml")),
    ("sparse", include_str!("../../assets/recipes/sparse.toml")),
    ("k-sparse", include_str!("../../assets/recipes/k-sparse.toml")),
    ("contractive", include_str!("../../assets/recipes/contractive.toml")),
    ("vae", include_str!("../../assets/recipes/vae.toml")),
    ("vae-pythae", include_str!("../../assets/recipes/vae-pythae.toml")),
    ("iwae", include_str!("../../assets/recipes/iwae.toml")),
    ("iwae-paper", include_str!("../../assets/recipes/iwae-paper.toml")),
    ("beta-vae", include_str!("../../assets/recipes/beta-vae.toml")),
    ("beta-vae-sprites", include_str!("../../assets/recipes/beta-vae-sprites.toml")),
    ("beta-vae-paper", include_str!("../../assets/recipes/beta-vae-paper.toml")),
    ("beta-vae-burgess", include_str!("../../assets/recipes/beta-vae-burgess.toml")),
    ("vq-vae", include_str!("../../assets/recipes/vq-vae.toml")),
    ("vq-vae-sonnet", include_str!("../../assets/recipes/vq-vae-sonnet.toml")),
    ("vq-vae-2", include_str!("../../assets/recipes/vq-vae-2.toml")),
    ("prior", include_str!("../../assets/recipes/prior.toml")),
    ("td-vae", include_str!("../../assets/recipes/td-vae.toml")),
    ("td-vae-oscillator", include_str!("../../assets/recipes/td-vae-oscillator.toml")),
];

/// The key by which a recipe names the one that it changes.
const BASE: &str = "base";

/// The names of the recipes.
pub fn names() -> impl Iterator<Item = &'static str> {
    RECIPES.iter().map(|&(name, _)| name)
}

/// A recipe's first line, which is a comment, as its summary.
pub fn summary(text: &str) -> &str {
    text.lines().next().unwrap_or_default().trim_start_matches('#').trim()
}

/// The settings of a recipe by name, or of a TOML file by path (with a `/`, or ending in `.toml`): what a run has left
/// in `config.toml` is a recipe too. With `base = "NAME"`, a recipe of [`RECIPES`], they are those of NAME but for its own.
pub fn load(name: &str) -> Result<Table> {
    if let Some(&(_, text)) = RECIPES.iter().find(|(n, _)| *n == name) {
        return over_base(name, parse(name, text)?);
    }
    if name.contains(['/', std::path::MAIN_SEPARATOR]) || name.ends_with(".toml") {
        let text =
            std::fs::read_to_string(name).map_err(|e| Error::usage(format!("cannot read recipe {name}: {e}")))?;
        return over_base(name, parse(name, &text)?);
    }
    Err(unknown(name))
}

/// The table over that of the recipe that its `base` names, where it names one.
fn over_base(origin: &str, mut table: Table) -> Result<Table> {
    let Some(base) = table.remove(BASE) else { return Ok(table) };
    let refused = |why: &str| Error::usage(format!("{origin}: base cannot be {base}: {why}"));
    let Some(name) = base.as_str() else { return Err(refused("it is the name of a recipe")) };
    let Some(&(_, text)) = RECIPES.iter().find(|(n, _)| *n == name) else {
        return Err(refused(&unknown(name).to_string()));
    };
    let mut full = parse(name, text)?;
    if let Some(further) = full.get(BASE) {
        return Err(refused(&format!("it is a change of {further} itself, which is the base to name")));
    }
    for (key, value) in settings(&table) {
        replace(&mut full, &key, value.clone())?;
    }
    Ok(full)
}

fn unknown(name: &str) -> Error {
    let guess = nearest(name, names()).map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default();
    let all: Vec<&str> = names().collect();
    Error::usage(format!("no recipe `{name}`{guess}; give the path of a .toml file or one of: {}", all.join(", ")))
}

fn parse(origin: &str, text: &str) -> Result<Table> {
    text.parse().map_err(|e: toml::de::Error| {
        let line = e.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        Error::usage(format!("{origin}, line {line}: {}", e.message().trim().replace('\n', " ")))
    })
}

#[cfg(test)]
mod tests {
    use super::super::check::settings;
    use super::super::{Config, resolve};
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_table_and_the_folder_hold_the_same_recipes() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/recipes");
        let files: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|f| f.unwrap().file_name().into_string().unwrap())
            .filter(|f| f.ends_with(".toml"))
            .collect();
        let listed: BTreeSet<String> = names().map(|n| format!("{n}.toml")).collect();
        assert_eq!(files, listed);
        assert_eq!(listed.len(), RECIPES.len(), "a name is listed twice");
        let measured = std::fs::read_to_string(format!("{folder}/README.md")).unwrap();
        for name in names() {
            assert!(
                measured.contains(&format!("`{name}`")),
                "assets/recipes/README.md does not say what {name} comes to"
            );
        }
    }

    #[test]
    fn each_recipe_writes_out_every_setting_and_begins_with_its_summary() {
        for &(name, text) in RECIPES {
            let table = load(name).unwrap();
            let config = resolve(&table).unwrap();
            assert_eq!(config.recipe, name);
            let written = parse(name, text).unwrap();
            if let Some(base) = written.get(BASE) {
                let base = load(base.as_str().unwrap()).unwrap();
                let base: Vec<_> = settings(&base).collect();
                let own = settings(&written).filter(|(key, _)| key != BASE);
                let same: Vec<_> = own.filter(|setting| base.contains(setting)).collect();
                assert!(same.is_empty(), "{name}: {same:?} are so in its base");
            }
            let keys = |t: &Table| settings(t).map(|(k, _)| k).collect::<Vec<_>>();
            assert_eq!(keys(&table), keys(&config.to_table()), "{name}: every setting, in the order of its type");
            assert!(text.starts_with("# ") && summary(text).len() > 20, "{name} has no summary");
        }
    }

    #[test]
    fn the_defaults_are_the_recipe_vae() {
        assert_eq!(resolve(&load("vae").unwrap()).unwrap(), Config::default());
    }

    #[test]
    fn a_run_is_its_own_recipe() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let mut config = Config::default();
        config.train.batch = 7;
        std::fs::write(&path, config.to_toml()).unwrap();
        assert_eq!(resolve(&load(path.to_str().unwrap()).unwrap()).unwrap(), config);
    }

    #[test]
    fn a_recipe_over_another_is_that_one_with_its_own_settings() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        let of = |text: &str| {
            std::fs::write(&path, text).unwrap();
            load(path.to_str().unwrap()).map(|table| resolve(&table).unwrap())
        };
        let mut want = resolve(&load("ae").unwrap()).unwrap();
        want.recipe = "mine".into();
        want.train.batch = 7;
        want.optimizer = super::super::Optimizer::Sgd(super::super::Sgd {
            learning_rate: want.optimizer.learning_rate().clone(),
            ..Default::default()
        });
        let text = "recipe = 'mine'\nbase = 'ae'\n[optimizer]\nkind = 'sgd'\n[train]\nbatch = 7";
        assert_eq!(of(text).unwrap(), want, "a new kind keeps what it has of the old one, and drops the rest");
        for (base, why) in [
            ("3", "base cannot be 3: it is the name of a recipe"),
            ("'vea'", "base cannot be \"vea\": no recipe `vea` (did you mean `vae`?)"),
            ("'iwae'", "base cannot be \"iwae\": it is a change of \"vae\" itself, which is the base to name"),
        ] {
            let e = of(&format!("base = {base}")).unwrap_err();
            assert!(e.exit_code() == 2 && e.to_string().contains(why), "{e}");
        }
    }

    #[test]
    fn an_unknown_recipe_and_a_broken_file_are_refused_in_one_sentence() {
        let refusal = |name: &str| load(name).unwrap_err().to_string();
        let known = RECIPES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        for (name, guess) in [("vea", " (did you mean `vae`?)"), ("diffusion", "")] {
            let want = format!("no recipe `{name}`{guess}; give the path of a .toml file or one of: {known}");
            assert_eq!(refusal(name), want);
        }
        assert!(refusal("no/such.toml").starts_with("cannot read recipe no/such.toml: "));
        let e = parse("a.toml", "[model]\nlatent = 3\nlatent = 4\n").unwrap_err().to_string();
        assert_eq!(e, "a.toml, line 3: duplicate key");
        let e = parse("a.toml", "[model\n").unwrap_err().to_string();
        assert!(e.starts_with("a.toml, line 1: ") && !e.contains('\n'), "{e}");
    }
}
