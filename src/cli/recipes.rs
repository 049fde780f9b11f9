//! `elbo recipes`.

use super::common::{recipe_list, show};
use crate::config;
use crate::values::Result;
use serde_json::json;

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
        let text = config::RECIPES.iter().find(|(n, _)| *n == name).map_or_else(String::new, |(_, t)| t.to_string());
        show(&text)
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
