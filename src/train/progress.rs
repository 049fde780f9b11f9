//! What the person at the terminal sees while a run goes on: a bar on a terminal, one line an epoch on a pipe.

use super::Means;
use super::metrics::shown;
use crate::values::note;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;

/// Progress over all steps of a run.
pub struct Progress {
    bar: ProgressBar,
    plain: bool,
    epochs: u64,
    stage: String,
}

impl Progress {
    /// Begins; `quiet` shows nothing.
    pub fn new(steps: u64, epochs: u64, quiet: bool) -> Self {
        let plain = !std::io::stderr().is_terminal();
        let target = if quiet || plain { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(steps), target);
        bar.set_style(style("{msg}"));
        Self { bar, plain: plain && !quiet, epochs, stage: String::new() }
    }

    /// Says of what the next lines are, in words that end in two spaces.
    pub fn stage(&mut self, words: String) {
        self.stage = words;
    }

    /// Moves on to `step`, with the latest means and speed.
    pub fn at(&self, step: u64, epoch: u64, means: &Means, examples_per_s: f64) {
        self.bar.set_prefix(format!("epoch {}/{}  {}", epoch + 1, self.epochs, self.stage).trim_end().to_string());
        self.bar.set_message(format!("{}  {} examples/s", terms(means), thousands(examples_per_s as u64)));
        self.bar.set_position(step);
    }

    /// An epoch is over: its line stays.
    pub fn epoch(&self, epoch: u64, means: &Means, examples_per_s: f64) {
        let n = self.epochs.to_string().len();
        let (text, speed) = (terms(means), thousands(examples_per_s as u64));
        let line = format!("epoch {:>n$}/{}  {}{text}  {speed} examples/s", epoch + 1, self.epochs, self.stage);
        self.line(&line);
    }

    /// A line that stays.
    pub fn line(&self, line: &str) {
        if self.plain { note(format_args!("{line}")) } else { self.bar.println(line) }
    }

    /// The run is over: the bar goes.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// A bar on a terminal, and one line on a pipe, of work that is no run.
pub struct Counter {
    bar: ProgressBar,
}

impl Counter {
    /// Begins; `what` says of what.
    pub fn new(what: &str) -> Self {
        if !std::io::stderr().is_terminal() {
            note(format_args!("{what} …"));
        }
        let bar = ProgressBar::new(0);
        bar.set_style(style("{pos}/{len}"));
        bar.set_prefix(what.to_string());
        Self { bar }
    }

    /// So much of all is done.
    pub fn at(&self, done: usize, all: usize) {
        self.bar.set_length(all as u64);
        self.bar.set_position(done as u64);
    }

    /// All is done: the bar goes.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// A bar, and behind it `what` is shown of it.
fn style(what: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(&format!("{{prefix}} {{wide_bar:.cyan/blue}} {what}  {{eta}} left"));
    style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─")
}

fn terms(means: &Means) -> String {
    means.values().map(|(name, v)| shown(name, v)).collect::<Vec<_>>().join("  ")
}

/// 12345 → `12,345`.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, d) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(d);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::thousands;

    #[test]
    fn thousands_are_separated() {
        assert_eq!([0, 999, 1000, 1234567].map(thousands), ["0", "999", "1,000", "1,234,567"].map(String::from));
    }
}
