//! Tables checked key by key against the types of [`Config`].

use super::{Config, Model, Optimizer};
use crate::values::{Error, Result};
use toml::{Table, Value};

/// The groups whose settings depend on their `kind`.
const KINDS: &[(&str, &[&str])] = &[("model", Model::KINDS), ("optimizer", Optimizer::KINDS)];

/// The settings of a table: what it does not say is the default of its kinds. Errors name the key.
pub fn resolve(table: &Table) -> Result<Config> {
    let mut full = defaults(table)?;
    for (key, value) in settings(table) {
        fit(&full, &key, value)?;
        put(&mut full, &key, value.clone())?;
    }
    let config: Config = full.try_into().map_err(|e: toml::de::Error| Error::usage(sentence(e.message())))?;
    config.validate()?;
    Ok(config)
}

/// The settings in which two configs differ, by key: `key is A here and B there`.
pub fn differences(here: &Config, there: &Config) -> Vec<(String, String)> {
    let (a, b) = (here.to_table(), there.to_table());
    let value =
        |t: &Table, key: &str| settings(t).find(|(k, _)| k == key).map_or("unset".into(), |(_, v)| v.to_string());
    let mut keys: Vec<String> = settings(&a).chain(settings(&b)).map(|(k, _)| k).collect();
    keys.sort();
    keys.dedup();
    let both = |key: String| {
        let (x, y) = (value(&a, &key), value(&b, &key));
        (x != y).then(|| (key.clone(), format!("{key} is {x} here and {y} there")))
    };
    keys.into_iter().filter_map(both).collect()
}

/// Every setting of the kinds that `table` names, at its default. `Err` if there is no such kind.
pub(super) fn defaults(table: &Table) -> Result<Table> {
    let mut kinds = Table::new();
    for &(group, known) in KINDS {
        if let Some(kind) = table.get(group).and_then(|g| g.get("kind")) {
            is_kind(group, known, kind)?;
            kinds.insert(group.into(), Value::Table(Table::from_iter([("kind".to_string(), kind.clone())])));
        }
    }
    let config: Config =
        kinds.try_into().expect("KINDS are the kinds that serde knows, and every setting has a default");
    Ok(config.to_table())
}

/// `Err` unless `key` is a setting in `full` (a table of every setting) that can hold `value`.
pub(super) fn fit(full: &Table, key: &str, value: &Value) -> Result<()> {
    if !settings(full).any(|(k, _)| k == key) {
        return Err(unknown(full, key));
    }
    if let Some(&(group, known)) = KINDS.iter().find(|(group, _)| key.strip_prefix(group) == Some(".kind")) {
        return is_kind(group, known, value);
    }
    let mut trial = full.clone();
    put(&mut trial, key, value.clone())?;
    match trial.try_into::<Config>() {
        Ok(_) => Ok(()),
        Err(e) => Err(Error::usage(format!("{key} cannot be {value}: {}", sentence(e.message())))),
    }
}

/// The settings of a table as (full key, value), in its order. A top-level value that is no table is a setting too, and
/// so, in order that it be looked at, is an empty table that is no group.
pub(super) fn settings(table: &Table) -> impl Iterator<Item = (String, &Value)> {
    table.iter().flat_map(|(group, value)| match value {
        Value::Table(inner) if !inner.is_empty() || is_group(group) => {
            inner.iter().map(|(key, value)| (format!("{group}.{key}"), value)).collect()
        }
        value => vec![(group.clone(), value)],
    })
}

/// Sets `key`, adding its group where there is none.
pub(super) fn put(table: &mut Table, key: &str, value: Value) -> Result<()> {
    let Some((group, key)) = key.split_once('.') else {
        table.insert(key.into(), value);
        return Ok(());
    };
    match table.entry(group).or_insert_with(|| Value::Table(Table::new())) {
        Value::Table(settings) => _ = settings.insert(key.into(), value),
        other => return Err(Error::usage(format!("`{group}` is a group of settings and cannot be {other}"))),
    }
    Ok(())
}

fn is_group(key: &str) -> bool {
    Config::default().to_table().get(key).is_some_and(Value::is_table)
}

fn is_kind(group: &str, known: &[&str], kind: &Value) -> Result<()> {
    if kind.as_str().is_some_and(|k| known.contains(&k)) {
        return Ok(());
    }
    Err(Error::usage(format!("{group}.kind cannot be {kind}: expected {}", either(known))))
}

/// Why `key` is no setting of `full`, and which one may have been meant.
fn unknown(full: &Table, key: &str) -> Error {
    let known: Vec<String> = settings(full).map(|(k, _)| k).collect();
    let of_group: Vec<&String> = known.iter().filter(|k| k.split_once('.').is_some_and(|(g, _)| g == key)).collect();
    if !of_group.is_empty() {
        return Error::usage(format!("`{key}` is a group of settings; one of it is meant: {}", either(&of_group)));
    }
    for &(group, kinds) in KINDS.iter().filter(|(group, _)| key.split_once('.').is_some_and(|(g, _)| g == *group)) {
        let has_it = |kind: &&&str| {
            let other = Table::from_iter([("kind".to_string(), Value::from(**kind))]);
            let other = defaults(&Table::from_iter([(group.to_string(), Value::Table(other))]));
            other.is_ok_and(|table| settings(&table).any(|(k, _)| k == key))
        };
        let owners: Vec<String> = kinds.iter().filter(has_it).map(|kind| format!("{kind:?}")).collect();
        if !owners.is_empty() {
            let now = full[group]["kind"].as_str().unwrap_or_default();
            let owners = listed(&owners);
            return Error::usage(format!("{key} is a setting of {group}.kind = {owners}, which is {now:?} here"));
        }
    }
    let last: Vec<&String> = known.iter().filter(|k| k.rsplit('.').next() == Some(key)).collect();
    if !last.is_empty() {
        return Error::usage(format!("no setting `{key}`; did you mean {}?", either(&last)));
    }
    match nearest(key, known.iter().map(String::as_str)) {
        Some(near) => Error::usage(format!("no setting `{key}`; did you mean `{near}`?")),
        None => Error::usage(format!("no setting `{key}`; the settings are {}", known.join(", "))),
    }
}

/// The known word that `word` may be a slip of: at most a third of its letters apart.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |k: &str| strsim::damerau_levenshtein(word, k);
    known.min_by_key(|k| distance(k)).filter(|k| 3 * distance(k) <= word.chars().count().max(3))
}

/// `a`, `a` or `b`, and so on.
pub(super) fn either<T: std::fmt::Display>(words: &[T]) -> String {
    listed(&words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>())
}

/// The same of words as they are.
fn listed(words: &[String]) -> String {
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

/// serde's words for a wrong value, in the user's: "expected …, found …".
fn sentence(message: &str) -> String {
    let message = message.trim().replace('\n', " ");
    let Some((found, expected)) = message.split_once(", expected ") else { return message };
    let expected = match expected {
        "usize" | "u64" => "a whole number of at least 0",
        "f64" => "a number",
        "a sequence" => "a list",
        "a boolean" => "true or false",
        other => other,
    };
    match found.strip_prefix("invalid type: ").or(found.strip_prefix("invalid value: ")) {
        Some(found) => {
            let found = found.replace('`', "");
            let found = match found.as_str() {
                "map" => "a table",
                "sequence" => "a list",
                other => other,
            };
            format!("expected {expected}, found {found}")
        }
        None if found.starts_with("unknown variant") => format!("expected {expected}"),
        None => format!("{found}, expected {expected}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        let e = resolve(&text.parse().unwrap()).unwrap_err();
        assert_eq!(e.exit_code(), 2);
        assert!(!e.to_string().contains('\n'), "{e}");
        e.to_string()
    }

    #[test]
    fn what_a_table_leaves_out_is_the_default() {
        assert_eq!(resolve(&Table::new()).unwrap(), Config::default());
        assert_eq!(resolve(&"[train]\n[model]".parse().unwrap()).unwrap(), Config::default());
        let c = resolve(&"[optimizer]\nkind = 'sgd'\n[model]\nlatent = 3".parse().unwrap()).unwrap();
        assert_eq!(c.optimizer, Optimizer::Sgd(super::super::Sgd::default()));
        assert!(matches!(c.model, Model::Vae(vae) if vae.net.latent == 3));
    }

    #[test]
    fn a_wrong_value_is_said_with_its_key() {
        let cases = [
            (
                "[model]\nlatent = 'ten'",
                "model.latent cannot be \"ten\": expected a whole number of at least 0, found string \"ten\"",
            ),
            (
                "[model]\nlatent = -3",
                "model.latent cannot be -3: expected a whole number of at least 0, found integer -3",
            ),
            (
                "[model]\nhidden = [1, 'a']",
                "model.hidden cannot be [1, \"a\"]: expected a whole number of at least 0, found string \"a\"",
            ),
            (
                "[model]\nlatent = {a = 1}",
                "model.latent cannot be { a = 1 }: expected a whole number of at least 0, found a table",
            ),
            (
                "[model]\nbeta = {from = 0, to = 1, stps = 2}",
                "model.beta cannot be { from = 0, to = 1, stps = 2 }: unknown field `stps`, expected one of `from`, `to`, `steps`, `start`, `values`, `at`, `factor`",
            ),
            ("[recipe]", "recipe cannot be {}: expected a string, found a table"),
            ("[model]\nhidden = 400", "model.hidden cannot be 400: expected a list, found integer 400"),
            (
                "[model]\nactivation = 'rule'",
                "model.activation cannot be \"rule\": expected one of `relu`, `sigmoid`, `tanh`, `softplus`, `linear`",
            ),
            ("[optimizer]\nkind = 3", "optimizer.kind cannot be 3: expected `adam` or `sgd`"),
            ("[optimizer]\nbeta1 = true", "optimizer.beta1 cannot be true: expected a number, found boolean true"),
            ("[data]\nresident = 1", "data.resident cannot be 1: expected true or false, found integer 1"),
            (
                "[model]\nbeta = 'x'",
                "model.beta cannot be \"x\": expected a number or a schedule such as {from = 0.0, to = 1.0, steps = 1000}, found string \"x\"",
            ),
            (
                "[model]\nbeta = {from = 0, to = 1, steps = 0}",
                "model.beta cannot be { from = 0, to = 1, steps = 0 }: `steps` of a schedule must be at least 1",
            ),
        ];
        for (text, want) in cases {
            assert_eq!(refusal(text), want, "{text}");
        }
        let (last, kinds) = Model::KINDS.split_last().unwrap();
        let want = format!("model.kind cannot be \"vea\": expected `{}` or `{last}`", kinds.join("`, `"));
        assert_eq!(refusal("[model]\nkind = 'vea'"), want);
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest() {
        assert_eq!(refusal("[model]\nlatnet = 3"), "no setting `model.latnet`; did you mean `model.latent`?");
        assert_eq!(refusal("[modle]\nlatent = 3"), "no setting `modle.latent`; did you mean `model.latent`?");
        assert!(refusal("[modle]").starts_with("no setting `modle`; "));
        assert!(refusal("[[model]]\nlatent = 3").starts_with("`model` is a group of settings; "));
        assert_eq!(refusal("latent = 3"), "no setting `latent`; did you mean `model.latent`?");
        assert_eq!(refusal("kind = 3"), "no setting `kind`; did you mean `model.kind` or `optimizer.kind`?");
        assert!(refusal("zzzzzzzz = 3").starts_with("no setting `zzzzzzzz`; the settings are recipe, model.kind, "));
        assert!(
            refusal("train = 3").starts_with("`train` is a group of settings; one of it is meant: `train.epochs`, ")
        );
        assert_eq!(
            refusal("[optimizer]\nmomentum = 0.5"),
            "optimizer.momentum is a setting of optimizer.kind = \"sgd\", which is \"adam\" here"
        );
        assert_eq!(
            refusal("[model]\nkind = 'k-sparse'\nbeta = 2.0"),
            "model.beta is a setting of model.kind = \"vae\" or \"beta-vae\", which is \"k-sparse\" here"
        );
        assert_eq!(
            refusal("[model]\ntied = true"),
            "model.tied is a setting of model.kind = \"ae\", \"dae\", \"sparse\" or \"contractive\", which is \"vae\" here"
        );
    }

    /// `defaults` panics at a kind that serde does not know; this is the other half.
    #[test]
    fn kinds_are_those_that_serde_knows() {
        for &(group, known) in KINDS {
            let text = format!("[{group}]\nkind = \"no such kind\"");
            let message = toml::from_str::<Config>(&text).unwrap_err().message().to_string();
            let listed: Vec<&str> = message.split('`').skip(3).step_by(2).collect();
            assert_eq!(listed, known, "{message}");
            for kind in known {
                defaults(&format!("[{group}]\nkind = \"{kind}\"").parse().unwrap()).unwrap();
            }
        }
    }
}
