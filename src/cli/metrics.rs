//! `elbo metrics`: the disentanglement scores of a table of codes and a table of factors, whatever they come from.

use super::common::show;
use crate::data::Matrix;
use crate::eval::disentanglement::{Protocol, Scores, Table, score};
use crate::train::progress::thousands;
use crate::values::{Error, Result, note};
use serde_json::{Map, Value, json};
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
    if a.json {
        let mut object = Map::new();
        object.insert("codes".into(), json!(a.codes));
        object.insert("factors".into(), json!(a.factors));
        object.insert("rows".into(), json!(table.len()));
        object.insert("values".into(), json!(table.sizes()));
        object.insert("left_out".into(), json!(table.constant()));
        object.extend(as_json(&scores, &protocol));
        return show(&format!("{}\n", Value::Object(object)));
    }
    let values: Vec<String> = table.sizes().iter().map(usize::to_string).collect();
    show(&format!(
        "{} rows of {} codes, {} factors of {} values\n{}rows that share a factor's value are drawn for pairs and \
         batches, with replacement: where factors depend on each other, so do the two scores made of them\n",
        thousands(table.len() as u64),
        codes.columns,
        values.len(),
        values.join(", "),
        as_text(&scores, &protocol, codes.columns)
    ))
}

/// The scores, a line each, with what they were computed of.
pub fn as_text(s: &Scores, p: &Protocol, codes: usize) -> String {
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
    let lines = [
        ("β-VAE score", s.beta_vae, pairs),
        ("FactorVAE score", s.factor_vae.score, factor_vae),
        ("MIG", s.mig, information.clone()),
        ("SAP", s.sap, format!("linear support vector machines, {of_classifiers}")),
        ("DCI disentanglement", s.dci.disentanglement, format!("boosted trees, {of_classifiers}")),
        ("DCI completeness", s.dci.completeness, String::new()),
        ("DCI informativeness", s.dci.informativeness, "accuracy".into()),
        ("modularity", s.modularity, information),
    ];
    let line = |(name, v, how): &(&str, f64, String)| format!("{name:<19}  {v:.4}  {how}");
    lines.iter().map(|l| line(l).trim_end().to_string() + "\n").collect()
}

/// The scores by name, and what they were computed of.
pub fn as_json(s: &Scores, p: &Protocol) -> Map<String, Value> {
    let value = json!({
        "beta_vae": s.beta_vae,
        "factor_vae": s.factor_vae.score,
        "factor_vae_codes": s.factor_vae.active,
        "mig": s.mig,
        "sap": s.sap,
        "dci_disentanglement": s.dci.disentanglement,
        "dci_completeness": s.dci.completeness,
        "dci_informativeness": s.dci.informativeness,
        "modularity": s.modularity,
        "train": s.train,
        "test": s.test,
        "draws": { "train": p.train, "test": p.test, "batch": p.batch, "seed": p.seed },
    });
    match value {
        Value::Object(object) => object,
        _ => unreachable!("it is written as an object"),
    }
}
