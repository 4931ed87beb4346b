//! Figures, and the tables of them.

use std::time::Duration;

/// What something took, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// By the clock.
    pub(crate) elapsed: f64,
    /// Of the processor's time, which what else the machine does hardly changes; where it is known.
    pub(crate) processor: Option<f64>,
}

/// A line of a table: for each round, what the variants took.
#[derive(Debug)]
pub(crate) struct Line {
    name: &'static str,
    rounds: Vec<[Cost; 3]>,
}

impl Line {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            rounds: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, round: [Cost; 3]) {
        self.rounds.push(round);
    }

    fn print(&self) {
        let clock = |cost: &Cost| Some(cost.elapsed);
        let processor = |cost: &Cost| cost.processor;
        print!("{:<24}", self.name);
        for of in [processor as fn(&Cost) -> Option<f64>, clock] {
            let base = median(self.rounds.iter().filter_map(|round| of(&round[0])));
            print!("{}", cell(base, if base < Some(10.0) { 3 } else { 1 }));
            for variant in [1, 2] {
                let ratios = self
                    .rounds
                    .iter()
                    .filter_map(|round| Some(of(&round[variant])? / of(&round[0])?));
                print!("{}", cell(median(ratios), 2));
            }
        }
        println!();
    }
}

/// Prints a table with its title.
pub(crate) fn print(title: &str, lines: &[Line]) {
    println!("{title}");
    println!("{:<24}{:>30}{:>30}", "", "processor", "clock");
    println!(
        "{:<24}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
        "", "none, ms", "ours", "pgai", "none, ms", "ours", "pgai"
    );
    lines.iter().for_each(Line::print);
    println!();
}

fn cell(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| format!("{:>10}", "-"), |value| format!("{value:>10.digits$}"))
}

/// The middle one; `None` of none.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
