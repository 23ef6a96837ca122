use serde_json::{Value, json};

use crate::series::Series;

/// One figure, measured several times.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// What its values are counted in.
    pub unit: &'static str,
    /// What came out.
    pub values: Series,
    /// What is wanted of the median.
    pub goal: Option<Goal>,
}

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

impl Figure {
    /// One without values yet.
    #[must_use]
    pub fn new(what: impl Into<String>, unit: &'static str, goal: Option<Goal>) -> Self {
        Self {
            what: what.into(),
            unit,
            values: Series::default(),
            goal,
        }
    }

    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "what": self.what,
            "unit": self.unit,
            "min": self.values.min(),
            "median": self.values.median(),
            "max": self.values.max(),
            "goal": self.goal.map(Goal::words),
        })
    }
}

impl Goal {
    /// Whether it is met by this.
    #[must_use]
    pub fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }

    fn words(self) -> String {
        match self {
            Self::AtMost(most) => format!("<= {most}"),
            Self::AtLeast(least) => format!(">= {least}"),
        }
    }
}

/// Prints a table for people.
pub fn print_figures(figures: &[Figure]) {
    println!(
        "{:<72}{:>7}{:>11}{:>11}{:>11}{:>11}",
        "what", "unit", "min", "median", "max", "goal"
    );
    for it in figures {
        let number = |value: f64| match value >= 100.0 {
            true => format!("{value:.0}"),
            false => format!("{value:.2}"),
        };
        print!(
            "{:<72}{:>7}{:>11}{:>11}{:>11}",
            it.what,
            it.unit,
            number(it.values.min()),
            number(it.values.median()),
            number(it.values.max())
        );
        match it.goal {
            Some(goal) if goal.is_met(it.values.median()) => println!("{:>11} met", goal.words()),
            Some(goal) => println!("{:>11} MISSED", goal.words()),
            None => println!(),
        }
    }
}
