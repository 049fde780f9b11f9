//! [`Schedule`]: a scalar that may change from step to step.

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A scalar as a function of the optimizer step, counted from 0. In TOML a number, or one of the tables shown below.
#[derive(Clone, PartialEq, Debug)]
pub enum Schedule {
    /// `4.0`: the same at every step.
    Constant(f64),
    /// `{ from = 0.0, to = 1.0, steps = 1000, start = 0 }`: `from` until step `start`, `to` from step `start + steps`
    /// on, a straight line between.
    Linear {
        /// The value until `start`.
        from: f64,
        /// The value from `start + steps` on.
        to: f64,
        /// The length of the ramp, in steps, at least 1.
        steps: u64,
        /// The step at which the ramp begins; 0 where it is not written.
        start: u64,
    },
    /// `{ values = [1e-3, 1e-4], at = [0, 5000] }`: `values[i]` from step `at[i]` on.
    Piecewise {
        /// The values, one for each of `at`.
        values: Vec<f64>,
        /// Increasing steps, the first of them 0.
        at: Vec<u64>,
    },
    /// `{ from = 1e-3, factor = 0.1, at = [5000, 8000] }`: multiplied by `factor` at each of the steps `at`.
    Decay {
        /// The value before the first of `at`.
        from: f64,
        /// What each of `at` multiplies it by.
        factor: f64,
        /// Increasing steps.
        at: Vec<u64>,
    },
}

impl Schedule {
    /// The value at `step`.
    pub fn at(&self, step: u64) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::Linear { from, to, steps, start } => {
                let done = step.saturating_sub(*start);
                if done >= *steps { *to } else { from + (to - from) * (done as f64 / *steps as f64) }
            }
            Self::Piecewise { values, at } => values[passed(at, step).max(1) - 1],
            Self::Decay { from, factor, at } => from * factor.powi(passed(at, step) as i32),
        }
    }

    /// The value that it ends with, however long the run.
    pub fn end(&self) -> f64 {
        self.at(u64::MAX)
    }

    /// The least and the greatest value over all steps.
    pub fn range(&self) -> (f64, f64) {
        let at = |steps: &[u64]| steps.iter().map(|&s| self.at(s)).chain([self.at(0)]).collect();
        let values: Vec<f64> = match self {
            Self::Constant(value) => vec![*value],
            Self::Linear { from, to, .. } => vec![*from, *to],
            Self::Piecewise { at: steps, .. } | Self::Decay { at: steps, .. } => at(steps),
        };
        values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), &v| (lo.min(v), hi.max(v)))
    }

    /// What is wrong with it, if anything; names the key inside the schedule.
    pub(super) fn fault(&self) -> Option<String> {
        let increasing = |at: &[u64]| at.windows(2).all(|w| w[0] < w[1]);
        match self {
            Self::Linear { steps: 0, .. } => return Some("`steps` of a schedule must be at least 1".into()),
            Self::Piecewise { values, at } if values.len() != at.len() => {
                return Some(format!("`values` has {} entries and `at` has {}", values.len(), at.len()));
            }
            Self::Piecewise { at, .. } if at.first() != Some(&0) => {
                return Some("`at` must begin with step 0, where the first of `values` holds".into());
            }
            Self::Piecewise { at, .. } | Self::Decay { at, .. } if !increasing(at) => {
                return Some("the steps of `at` must increase".into());
            }
            _ => {}
        }
        let numbers: Vec<f64> = match self {
            Self::Constant(value) => vec![*value],
            Self::Linear { from, to, .. } => vec![*from, *to],
            Self::Piecewise { values, .. } => values.clone(),
            // The last product is the one that may overflow.
            Self::Decay { from, factor, at } => vec![*from, *factor, self.at(at.last().copied().unwrap_or(0))],
        };
        numbers.iter().find(|v| !v.is_finite()).map(|v| format!("a schedule must stay finite, not reach {v}"))
    }
}

/// How many of `at` lie at or before `step`.
fn passed(at: &[u64], step: u64) -> usize {
    at.partition_point(|&s| s <= step)
}

impl From<f64> for Schedule {
    fn from(value: f64) -> Self {
        Self::Constant(value)
    }
}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Self::Constant(value) = self {
            return serializer.serialize_f64(*value);
        }
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Constant(_) => {}
            Self::Linear { from, to, steps, start } => {
                map.serialize_entry("from", from)?;
                map.serialize_entry("to", to)?;
                map.serialize_entry("steps", steps)?;
                if *start > 0 {
                    map.serialize_entry("start", start)?;
                }
            }
            Self::Piecewise { values, at } => {
                map.serialize_entry("values", values)?;
                map.serialize_entry("at", at)?;
            }
            Self::Decay { from, factor, at } => {
                map.serialize_entry("from", from)?;
                map.serialize_entry("factor", factor)?;
                map.serialize_entry("at", at)?;
            }
        }
        map.end()
    }
}

/// Every key that any form of schedule has.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    from: Option<f64>,
    to: Option<f64>,
    steps: Option<u64>,
    start: Option<u64>,
    values: Option<Vec<f64>>,
    at: Option<Vec<u64>>,
    factor: Option<f64>,
}

impl Keys {
    fn schedule(self) -> Result<Schedule, &'static str> {
        match self {
            Keys {
                from: Some(from),
                to: Some(to),
                steps: Some(steps),
                start,
                values: None,
                at: None,
                factor: None,
            } => Ok(Schedule::Linear { from, to, steps, start: start.unwrap_or(0) }),
            Keys {
                from: None,
                to: None,
                steps: None,
                start: None,
                values: Some(values),
                at: Some(at),
                factor: None,
            } => Ok(Schedule::Piecewise { values, at }),
            Keys {
                from: Some(from),
                to: None,
                steps: None,
                start: None,
                values: None,
                at: Some(at),
                factor: Some(factor),
            } => Ok(Schedule::Decay { from, factor, at }),
            _ => Err("a schedule is {from, to, steps} with an optional start, {values, at} or {from, factor, at}"),
        }
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = Schedule;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a schedule such as {from = 0.0, to = 1.0, steps = 1000}")
            }
            fn visit_f64<E>(self, v: f64) -> Result<Schedule, E> {
                Ok(Schedule::Constant(v))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Schedule, E> {
                Ok(Schedule::Constant(v as f64))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Schedule, E> {
                Ok(Schedule::Constant(v as f64))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Schedule, A::Error> {
                Keys::deserialize(MapAccessDeserializer::new(map))?.schedule().map_err(A::Error::custom)
            }
        }
        let schedule = deserializer.deserialize_any(Form)?;
        schedule.fault().map_or(Ok(schedule), |fault| Err(D::Error::custom(fault)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Holder {
        s: Schedule,
    }

    fn parse(text: &str) -> Result<Schedule, String> {
        toml::from_str::<Holder>(&format!("s = {text}")).map(|h| h.s).map_err(|e| e.message().to_string())
    }

    #[test]
    fn each_form_has_the_values_that_it_says_and_is_written_as_it_was_read() {
        let cases: [(&str, &[(u64, f64)]); 6] = [
            ("4.0", &[(0, 4.0), (u64::MAX, 4.0)]),
            ("4", &[(0, 4.0)]),
            ("{from=0,to=1,steps=1000}", &[(0, 0.0), (250, 0.25), (1000, 1.0), (u64::MAX, 1.0)]),
            ("{from=2.0, to=1.0, steps=10, start=5}", &[(0, 2.0), (5, 2.0), (10, 1.5), (15, 1.0), (16, 1.0)]),
            ("{values=[3.0, 1.0], at=[0, 7]}", &[(0, 3.0), (6, 3.0), (7, 1.0), (8, 1.0)]),
            ("{from=8.0, factor=0.5, at=[2, 4]}", &[(0, 8.0), (1, 8.0), (2, 4.0), (4, 2.0), (100, 2.0)]),
        ];
        for (text, values) in cases {
            let s = parse(text).unwrap();
            for &(step, want) in values {
                assert_eq!(s.at(step), want, "{text} at step {step}");
            }
            let written = toml::to_string(&Holder { s: s.clone() }).unwrap();
            assert_eq!(toml::from_str::<Holder>(&written).unwrap().s, s, "{text} → {written}");
        }
    }

    #[test]
    fn the_range_holds_the_extremes() {
        assert_eq!(parse("{from=2,to=1,steps=10,start=5}").unwrap().range(), (1.0, 2.0));
        assert_eq!(parse("{values=[3,9,1],at=[0,7,8]}").unwrap().range(), (1.0, 9.0));
        assert_eq!(parse("{from=8,factor=0.5,at=[2,4]}").unwrap().range(), (2.0, 8.0));
        assert_eq!(parse("{from=8,factor=0.5,at=[]}").unwrap().range(), (8.0, 8.0));
    }

    #[test]
    fn a_fault_is_said_with_its_key() {
        let cases = [
            ("{from=0,to=1,steps=0}", "`steps` of a schedule must be at least 1"),
            ("{values=[1,2],at=[0]}", "`values` has 2 entries and `at` has 1"),
            ("{values=[],at=[]}", "`at` must begin with step 0"),
            ("{values=[1,2],at=[3,4]}", "`at` must begin with step 0"),
            ("{values=[1,2],at=[0,0]}", "the steps of `at` must increase"),
            ("{from=1,factor=0.1,at=[5,4]}", "the steps of `at` must increase"),
            ("{from=1e300,factor=1e300,at=[5,6]}", "must stay finite, not reach inf"),
            ("nan", "must stay finite, not reach NaN"),
            ("{from=0,to=1}", "a schedule is {from, to, steps}"),
            ("{from=0,to=1,steps=1,values=[1]}", "a schedule is {from, to, steps}"),
            ("{from=0,to=1,stps=1}", "unknown field `stps`"),
            ("\"warm\"", "expected a number or a schedule such as"),
            ("{from=0,to=1,steps=-1}", "expected u64"),
        ];
        for (text, want) in cases {
            let got = parse(text).unwrap_err();
            assert!(got.contains(want), "{text}: {got}");
        }
    }
}
