//! Which steps of a run are updates of an optimizer.

/// Of every `cycle` steps, the `own` ones from `first` on: their count before a step is the t of Adam's corrections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    /// The first of a cycle, below `cycle`.
    pub first: u64,
    /// How many of a cycle, at least 1; `first + own` is at most `cycle`.
    pub own: u64,
    /// The length of a cycle.
    pub cycle: u64,
}

impl Clock {
    /// Every step.
    pub const EVERY: Self = Self { first: 0, own: 1, cycle: 1 };

    /// ⌊step / cycle⌋·own + the own steps of the cycle so far: how many updates were before `step`.
    pub fn before(self, step: u64) -> u64 {
        step / self.cycle * self.own + (step % self.cycle).saturating_sub(self.first).min(self.own)
    }

    /// The first step from `step` on, which is one of them, that is not.
    pub fn end(self, step: u64) -> u64 {
        if self.own == self.cycle { u64::MAX } else { step / self.cycle * self.cycle + self.first + self.own }
    }

    /// Whether `step` is one of them.
    pub fn has(self, step: u64) -> bool {
        (self.first..self.first + self.own).contains(&(step % self.cycle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_are_counted_one_by_one() {
        for clock in [Clock::EVERY, Clock { first: 0, own: 3, cycle: 5 }, Clock { first: 3, own: 2, cycle: 5 }] {
            let mut count = 0;
            for step in 0..23 {
                assert_eq!(clock.before(step), count, "{clock:?} at {step}");
                count += u64::from(clock.has(step));
                let own = clock.has(step) && clock != Clock::EVERY;
                assert!(!own || (step..).find(|s| !clock.has(*s)) == Some(clock.end(step)), "{clock:?} from {step}");
            }
        }
        let (a, b) = (Clock { first: 0, own: 3, cycle: 5 }, Clock { first: 3, own: 2, cycle: 5 });
        assert!((0..23).all(|step| a.has(step) != b.has(step) && a.before(step) + b.before(step) == step));
    }
}
