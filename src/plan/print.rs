//! A plan as a table: what `elbo plan RECIPE` prints.

use super::{Buffer, Plan, View};
use std::fmt::Write;

impl Plan {
    /// One line a dispatch, then the totals beside their lower bounds.
    pub fn table(&self) -> String {
        let mut s = String::new();
        let head = ["#", "kernel", "what", "scope", "groups", "reads", "writes", "KiB", "MFLOP"];
        let mut rows: Vec<[String; 9]> = vec![head.map(String::from)];
        for (i, d) in self.dispatches.iter().enumerate() {
            let work = d.kernel.work(&d.call);
            rows.push([
                i.to_string(),
                d.kernel.name().into(),
                d.kernel.describe(&d.call),
                d.scope.clone(),
                work.workgroups.to_string(),
                self.views(d.inputs()),
                self.views(d.outputs()),
                format!("{:.1}", d.bytes() as f64 / 1024.0),
                format!("{:.2}", work.flops as f64 / 1e6),
            ]);
        }
        let width: Vec<usize> = (0..9).map(|c| rows.iter().map(|r| r[c].chars().count()).max().unwrap_or(0)).collect();
        for r in &rows {
            let cells: Vec<String> = (0..9)
                .map(|c| match c {
                    0 | 4 | 7 | 8 => format!("{:>w$}", r[c], w = width[c]),
                    _ => format!("{:<w$}", r[c], w = width[c]),
                })
                .collect();
            let _ = writeln!(s, "{}", cells.join("  ").trim_end());
        }
        let mib = |b: u64| b as f64 / (1 << 20) as f64;
        let _ = writeln!(
            s,
            "\n{} dispatches a step, {:.1} MFLOP\nmoved a step   {:.2} MiB (least possible {:.2} MiB)\ntemporaries    \
             {:.2} MiB in {} slots (least possible {:.2} MiB)\npersistent     {:.2} MiB in {} buffers\npeak           \
             {:.2} MiB",
            self.dispatches.len(),
            self.flops() as f64 / 1e6,
            mib(self.bytes_moved()),
            mib(self.bytes_least()),
            mib(self.slot_bytes()),
            self.slots.len(),
            mib(self.live_bytes),
            mib(self.store_bytes()),
            self.stores.len(),
            mib(self.peak_bytes()),
        );
        s
    }

    fn views<'a>(&self, views: impl Iterator<Item = &'a View>) -> String {
        let one = |v: &View| match v.buffer {
            Buffer::Slot(i) => format!("s{i}[{}]", v.len),
            Buffer::Store(i) if v.offset == 0 => format!("{}[{}]", self.stores[i].path, v.len),
            Buffer::Store(i) => format!("{}+{}[{}]", self.stores[i].path, v.offset, v.len),
        };
        views.map(one).collect::<Vec<_>>().join(" ")
    }
}
