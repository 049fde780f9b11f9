//! What a benchmark measured, a line each: as a row of a table, of CSV, or as a JSON object.

use super::Spread;
use crate::exec::DeviceInfo;
use crate::values::{Error, Result};
use serde_json::{Value, json};

/// A benchmark, and how its lines are told apart, compared and shown.
#[derive(Debug)]
pub struct Kind {
    /// The word after `elbo bench`.
    pub name: &'static str,
    /// The fields that say what was measured.
    pub key: &'static [&'static str],
    /// The field that was measured: a time. Beside it stand its least value and quartiles, `_min`, `_q1` and `_q3`.
    pub time: &'static str,
    /// The table.
    pub columns: &'static [Column],
}

/// A column of a table: words stand left, numbers right.
#[derive(Debug)]
pub struct Column {
    /// Its title.
    pub title: &'static str,
    /// The field that it shows.
    pub field: &'static str,
    /// Letters.
    pub width: usize,
    /// Digits behind the point; of words, nothing.
    pub digits: usize,
}

/// A column.
pub const fn column(title: &'static str, field: &'static str, width: usize, digits: usize) -> Column {
    Column { title, field, width, digits }
}

/// One line of a benchmark: named values, in order.
#[derive(Clone, Debug)]
pub struct Record {
    /// The benchmark.
    pub kind: &'static Kind,
    fields: Vec<(String, Value)>,
}

impl Record {
    /// A line about a device.
    pub fn new(kind: &'static Kind, info: &DeviceInfo) -> Self {
        let record = Self { kind, fields: vec![("bench".into(), json!(kind.name))] };
        record.with("device", info.device).with("adapter", &info.adapter).with("driver", &info.driver)
    }

    /// The same with one more value. A number that is none (a rate of no work) is null.
    pub fn with(mut self, name: impl Into<String>, value: impl serde::Serialize) -> Self {
        self.fields.push((name.into(), json!(value)));
        self
    }

    /// The same with the time that was measured, in the unit of the field's name.
    pub fn spread(self, s: Spread) -> Self {
        let name = self.kind.time;
        let more = |n: &str| format!("{name}_{n}");
        let timed = self.with(name, s.median).with(more("min"), s.min).with(more("q1"), s.q1).with(more("q3"), s.q3);
        timed.with("samples", s.samples)
    }

    /// A value, null where there is none.
    pub fn get(&self, name: &str) -> &Value {
        self.fields.iter().find(|(n, _)| n == name).map_or(&Value::Null, |(_, v)| v)
    }

    /// As one JSON object.
    pub fn json(&self) -> String {
        let field = |(name, value): &(String, Value)| format!("{}:{value}", json!(name));
        format!("{{{}}}\n", self.fields.iter().map(field).collect::<Vec<_>>().join(","))
    }

    /// As a row of CSV, or the names as its head; what is itself a list has no place there.
    pub fn csv(&self, head: bool) -> Result<String> {
        let fields = self.fields.iter().filter(|(_, v)| !v.is_array());
        let cell = |(name, value): &(String, Value)| match value {
            _ if head => name.clone(),
            Value::String(s) => s.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        let failed = |e: String| Error::failure(format!("bench: a row of CSV: {e}"));
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(fields.map(cell)).map_err(|e| failed(e.to_string()))?;
        let bytes = writer.into_inner().map_err(|e| failed(e.to_string()))?;
        String::from_utf8(bytes).map_err(|e| failed(e.to_string()))
    }

    /// As a row of a table of these columns.
    fn row(&self, columns: &[Column]) -> String {
        let cell = |c: &Column| {
            let (w, value) = (c.width, self.get(c.field));
            match value {
                Value::String(s) => format!("{s:<w$}"),
                Value::Null => format!("{:>w$}", ""),
                v => format!("{:>w$.*}", c.digits, v.as_f64().unwrap_or(f64::NAN)),
            }
        };
        line(columns.iter().map(cell))
    }

    /// The head of a table of these columns.
    fn head(&self, columns: &[Column]) -> String {
        line(columns.iter().map(|c| {
            let (w, title) = (c.width, c.title);
            if self.get(c.field).is_string() { format!("{title:<w$}") } else { format!("{title:>w$}") }
        }))
    }
}

fn line(cells: impl Iterator<Item = String>) -> String {
    format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
}

/// How lines are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// A table for people.
    Text,
    /// Rows of CSV under one head.
    Csv,
    /// A JSON object a line.
    Json,
}

/// The columns of a comparison.
const COMPARED: [Column; 2] = [column("ratio", "ratio", 7, 3), column("moved", "moved", 6, 0)];

/// Writes lines as they come: the head before the first.
pub struct Sheet {
    format: Format,
    baseline: Option<super::Baseline>,
    begun: bool,
}

impl Sheet {
    /// An empty one.
    pub fn new(format: Format, baseline: Option<super::Baseline>) -> Self {
        Self { format, baseline, begun: false }
    }

    /// The text of the next line, compared where there is a baseline.
    pub fn line(&mut self, record: Record) -> Result<String> {
        let record = match &self.baseline {
            Some(baseline) => baseline.compare(record),
            None => record,
        };
        let first = !std::mem::replace(&mut self.begun, true);
        Ok(match self.format {
            Format::Json => record.json(),
            Format::Csv if first => record.csv(true)? + &record.csv(false)?,
            Format::Csv => record.csv(false)?,
            Format::Text => {
                let compared: &[Column] = if self.baseline.is_some() { &COMPARED } else { &[] };
                let whole = |f: &dyn Fn(&[Column]) -> String| {
                    let (own, more) = (f(record.kind.columns), f(compared));
                    format!("{}  {}\n", own.trim_end_matches('\n'), more.trim_end()).trim_end().to_string() + "\n"
                };
                let device = format!("{}: {}\n", text(&record, "device"), text(&record, "adapter"));
                let head = if first { device + &whole(&|c| record.head(c)) } else { String::new() };
                head + &whole(&|c| record.row(c))
            }
        })
    }
}

fn text(record: &Record, field: &str) -> String {
    record.get(field).as_str().unwrap_or_default().to_string()
}
