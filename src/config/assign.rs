//! `--set key=value`.

use super::check::{defaults, fit, put};
use crate::values::{Error, Result};
use toml::{Table, Value};

/// Replaces one setting of `table` by an assignment `group.key=value`.
///
/// The value is TOML, or a bare string where that does not fit (`data.name=mnist`).
pub fn apply(table: &mut Table, assignment: &str) -> Result<()> {
    let Some((key, text)) = assignment.split_once('=') else {
        return Err(Error::usage(format!("--set takes group.key=value, as in model.latent=10, not `{assignment}`")));
    };
    let (key, text) = (key.trim(), text.trim());
    let full = defaults(table)?;
    let bare = Value::String(text.into());
    let value = match text.parse::<Value>() {
        Ok(value) => match fit(&full, key, &value) {
            Ok(()) => value,
            Err(e) => fit(&full, key, &bare).map(|()| bare).map_err(|_| e)?,
        },
        Err(_) => fit(&full, key, &bare).map(|()| bare)?,
    };
    replace(table, key, value)
}

/// Sets `key` to a value. A new `kind` drops the group's settings that it does not have, and keeps the others.
pub(super) fn replace(table: &mut Table, key: &str, value: Value) -> Result<()> {
    put(table, key, value)?;
    if let Some((group, "kind")) = key.split_once('.') {
        let full = defaults(table)?;
        if let Some(Value::Table(settings)) = table.get_mut(group) {
            settings.retain(|key, _| full[group].get(key).is_some());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Binarise, Config, Model, Optimizer, Schedule, Sgd, Vae, load, resolve};
    use super::*;

    fn set(assignments: &[&str]) -> Result<Config> {
        let mut table = load("vae")?;
        assignments.iter().try_for_each(|a| apply(&mut table, a))?;
        resolve(&table)
    }

    fn vae(assignment: &str) -> Vae {
        let Model::Vae(vae) = set(&[assignment]).unwrap().model else { panic!("not a vae") };
        vae
    }

    fn refusal(assignment: &str) -> String {
        set(&[assignment]).unwrap_err().to_string()
    }

    #[test]
    fn values_are_toml_or_bare_strings() {
        assert_eq!(vae("model.latent=10").net.latent, 10);
        assert_eq!(vae(" model.latent = 10 ").net.latent, 10);
        assert_eq!(vae("model.hidden=[500,250]").net.hidden, [500, 250]);
        assert_eq!(vae("model.activation=tanh").net.activation, super::super::Activation::Tanh);
        assert_eq!(vae("model.activation=\"tanh\"").net.activation, super::super::Activation::Tanh);
        assert_eq!(vae("model.beta=4").beta, Schedule::Constant(4.0));
        let ramp = Schedule::Linear { from: 0.0, to: 1.0, steps: 1000, start: 0 };
        assert_eq!(vae("model.beta={from=0,to=1,steps=1000}").beta, ramp);
        assert_eq!(set(&["data.binarise=none"]).unwrap().data.binarise, Binarise::None);
        assert_eq!(set(&["data.name=/images/a=b"]).unwrap().data.name, "/images/a=b");
        assert_eq!(set(&["data.name=2013"]).unwrap().data.name, "2013", "a number where a name is wanted");
    }

    #[test]
    fn refusals_name_the_key() {
        assert_eq!(refusal("model.latnet=3"), "no setting `model.latnet`; did you mean `model.latent`?");
        assert_eq!(refusal("latent=3"), "no setting `latent`; did you mean `model.latent`?");
        assert_eq!(refusal("model.beta.from=3"), "no setting `model.beta.from`; did you mean `model.beta`?");
        assert_eq!(
            refusal("train.batch=many"),
            "train.batch cannot be \"many\": expected a whole number of at least 0, found string \"many\""
        );
        assert_eq!(
            refusal("train.batch=0.5"),
            "train.batch cannot be 0.5: expected a whole number of at least 0, found floating point 0.5"
        );
        assert_eq!(refusal("train.batch=0"), "train.batch must be at least 1, not 0");
        assert_eq!(refusal("train.batch"), "--set takes group.key=value, as in model.latent=10, not `train.batch`");
        let mut broken = "train = 3".parse().unwrap();
        let e = apply(&mut broken, "train.batch=2").unwrap_err().to_string();
        assert_eq!(e, "`train` is a group of settings and cannot be 3");
        assert_eq!(refusal("optimizer.kind=adm"), "optimizer.kind cannot be \"adm\": expected `adam` or `sgd`");
    }

    #[test]
    fn a_new_kind_keeps_what_it_shares_with_the_old() {
        let c = set(&["optimizer.learning_rate=0.1", "optimizer.kind=sgd", "optimizer.momentum=0.5"]).unwrap();
        assert_eq!(
            c.optimizer,
            Optimizer::Sgd(Sgd { learning_rate: Schedule::Constant(0.1), momentum: 0.5, clip: 0.0 })
        );
    }
}
