//! `elbo recipes`.

use super::common::{recipe_list, show};
use crate::config;
use crate::values::{Error, Result};
use serde_json::json;
use std::fs;
use std::path::Path;

/// Arguments of `elbo recipes`.
#[derive(clap::Args)]
pub struct Args {
    /// Print one recipe whole: every setting, with what it means
    name: Option<String>,
    /// One JSON object a line
    #[arg(long, conflicts_with = "name")]
    json: bool,
}

pub fn run(a: Args) -> Result<()> {
    if let Some(name) = a.name {
        // Refused with the nearest name where there is none.
        config::load(&name)?;
        match config::RECIPES.iter().find(|(n, _)| *n == name) {
            Some((_, text)) => show(text),
            // A file, such as the config.toml of a run.
            None => show(&fs::read_to_string(&name).map_err(|e| Error::io("cannot read", Path::new(&name), &e))?),
        }
    } else if a.json {
        let line = |(name, text): &(&str, &str)| {
            let object = json!({ "name": name, "summary": config::summary(text) });
            format!("{object}\n")
        };
        show(&config::RECIPES.iter().map(line).collect::<String>())
    } else {
        show(&recipe_list())
    }
}
