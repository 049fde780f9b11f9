//! What a command finds: numbers by name for `--json`, and the same in words.

use serde_json::{Map, Value};

/// Numbers by name; and rows of what was measured, the number, and what it is of; then further lines.
#[derive(Default)]
pub struct Findings {
    /// By name.
    pub numbers: Map<String, Value>,
    rows: Vec<[String; 3]>,
    /// What follows the rows.
    pub lines: Vec<String>,
}

impl Findings {
    /// Adds a row, and its numbers.
    pub fn add<const N: usize>(&mut self, numbers: [(&str, Value); N], row: [String; 3]) {
        self.numbers.extend(numbers.map(|(name, v)| (name.to_string(), v)));
        self.rows.push(row);
    }

    /// The rows, in columns, and the lines.
    pub fn text(&self) -> String {
        let width = |c: usize| self.rows.iter().map(|row| row[c].chars().count()).max().unwrap_or(0);
        let (first, second) = (width(0), width(1));
        let row = |[what, value, of]: &[String; 3]| format!("{what:<first$}  {value:<second$}  {of}");
        let lines = self.rows.iter().map(row).chain(self.lines.iter().cloned());
        lines.map(|line| line.trim_end().to_string() + "\n").collect()
    }
}
