//! `elbo metrics`: the disentanglement scores of a table of codes and a table of factors, whatever they come from.

use super::common::show;
use super::findings::Findings;
use crate::data::Matrix;
use crate::eval::disentanglement::{Protocol, Scores, Table, score};
use crate::train::progress::thousands;
use crate::values::{Error, Result, note};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Arguments of `elbo metrics`.
#[derive(clap::Args)]
pub struct Args {
    /// The codes, .npy: one row an example, one column a code
    #[arg(long, value_name = "FILE")]
    codes: PathBuf,
    /// The factors of the same examples, .npy: one column a factor, each of a few different values
    #[arg(long, value_name = "FILE")]
    factors: PathBuf,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(a: Args) -> Result<()> {
    let (codes, factors) = (Matrix::read(&a.codes)?, Matrix::read(&a.factors)?);
    if codes.rows != factors.rows {
        return Err(Error::usage(format!(
            "{} has {} rows and {} has {}: each row of one is to be the example of the other",
            a.codes.display(),
            codes.rows,
            a.factors.display(),
            factors.rows
        )));
    }
    let numbers = codes.values.iter().map(|&c| c as f32).collect();
    let table = Table::new(numbers, codes.columns, &factors.values, factors.columns)?;
    for k in table.constant() {
        note(format_args!("factor {k} has one value alone and is left out"));
    }
    let protocol = Protocol::default();
    let scores = score(&table, &protocol, |what| note(format_args!("computing {what} …")));
    let mut found = Findings::default();
    for (name, v) in [
        ("codes", json!(a.codes)),
        ("factors", json!(a.factors)),
        ("rows", json!(table.len())),
        ("values", json!(table.sizes())),
        ("left_out", json!(table.constant())),
    ] {
        found.numbers.insert(name.into(), v);
    }
    add(&mut found, &scores, &protocol, codes.columns);
    if a.json {
        return show(&format!("{}\n", Value::Object(found.numbers)));
    }
    let values: Vec<String> = table.sizes().iter().map(usize::to_string).collect();
    show(&format!(
        "{} rows of {} codes, {} factors of {} values\n{}rows that share a factor's value are drawn for pairs and \
         batches, with replacement: where factors depend on each other, so do the two scores made of them\n",
        thousands(table.len() as u64),
        codes.columns,
        values.len(),
        values.join(", "),
        found.text()
    ))
}

/// Adds the scores of codes of so many numbers, with what they were computed of.
pub fn add(found: &mut Findings, s: &Scores, p: &Protocol, codes: usize) {
    let [n, m, train, test] = [s.train, s.test, p.train, p.test].map(|n| thousands(n as u64));
    let of_classifiers = format!("learned from {n} examples, judged by {m} others");
    let factor_vae = match s.factor_vae.active {
        0 => format!("no code votes: every one of the {codes} has a standard deviation below 0.05"),
        active => format!(
            "votes on the factor that {} examples share: {train} learned from, {test} judged; {active} of {codes} codes vote",
            p.batch
        ),
    };
    let pairs = format!("linear classifier on {} pairs a point: {train} points learned from, {test} judged", p.batch);
    let information = format!("mutual information in 20 bins, {n} examples");
    let d = s.dci;
    for (key, name, score, of) in [
        ("beta_vae", "β-VAE score", s.beta_vae, pairs),
        ("factor_vae", "FactorVAE score", s.factor_vae.score, factor_vae),
        ("mig", "MIG", s.mig, information.clone()),
        ("sap", "SAP", s.sap, format!("linear support vector machines, {of_classifiers}")),
        ("dci_disentanglement", "DCI disentanglement", d.disentanglement, format!("boosted trees, {of_classifiers}")),
        ("dci_completeness", "DCI completeness", d.completeness, String::new()),
        ("dci_informativeness", "DCI informativeness", d.informativeness, "accuracy".into()),
        ("modularity", "modularity", s.modularity, information),
    ] {
        found.add([(key, json!(score))], [name.into(), format!("{score:.4}"), of]);
    }
    found.numbers.insert("factor_vae_codes".into(), json!(s.factor_vae.active));
    let draws = json!({ "train": p.train, "test": p.test, "batch": p.batch, "seed": p.seed });
    let examples = json!({ "train": s.train, "test": s.test });
    found.numbers.insert("disentanglement_examples".into(), examples);
    found.numbers.insert("disentanglement_draws".into(), draws);
}
