//! The simulation notices what is done wrong: each mutant is caught, by what it breaks.

use sim::{Failure, Mutant, Scenario};

/// How many worlds may pass before a mutant is caught.
const SEEDS_MAX: u64 = 600;

/// The first world, from `from` on, in which something goes wrong.
fn catch(mutant: Mutant) -> Failure {
    (0..SEEDS_MAX)
        .find_map(|seed| {
            let scenario = Scenario {
                mutant: Some(mutant),
                ..Scenario::of(seed)
            };
            sim::run(&scenario).err()
        })
        .unwrap_or_else(|| panic!("{SEEDS_MAX} worlds did not notice {}", mutant.name()))
}

#[track_caller]
fn is_caught_as(mutant: Mutant, kinds: &[&str]) {
    let failure = catch(mutant);
    let kind = failure.kind();
    assert!(kinds.contains(&kind.as_str()), "{kind}:\n{failure}");
}
