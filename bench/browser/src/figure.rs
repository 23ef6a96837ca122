use serde_json::{Value, json};

use crate::series::Series;

/// A measured figure with one value for each round.
#[derive(Clone, Debug)]
pub struct Figure {
    /// The name of the figure.
    pub what: String,
    /// The unit of the values.
    pub unit: &'static str,
    /// The values.
    pub values: Series,
    /// The goal for the median.
    pub goal: Option<Goal>,
}

/// A goal for a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

impl Figure {
    /// A figure without values.
    #[must_use]
    pub fn new(what: impl Into<String>, unit: &'static str, goal: Option<Goal>) -> Self {
        Self {
            what: what.into(),
            unit,
            values: Series::default(),
            goal,
        }
    }

    /// The figure as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "what": self.what,
            "unit": self.unit,
            "min": self.values.min(),
            "median": self.values.median(),
            "max": self.values.max(),
            "goal": self.goal.map(Goal::text),
        })
    }
}

impl Goal {
    /// Whether a value meets the goal.
    #[must_use]
    pub fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(most) => format!("<= {most}"),
            Self::AtLeast(least) => format!(">= {least}"),
        }
    }
}

/// Prints a table.
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
            Some(goal) if goal.is_met(it.values.median()) => println!("{:>11} met", goal.text()),
            Some(goal) => println!("{:>11} MISSED", goal.text()),
            None => println!(),
        }
    }
}
