//! Terms: the numbers of leaderships, and which of them are plausible.

use core::fmt;

use broker::Time;
use serde::{Deserialize, Serialize};

/// The number of a broker's leadership. A later broker has a higher term, and messages of earlier terms are ignored.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Term(pub u64);

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// How far a term may be ahead of the clock, in milliseconds: 139 years. No clock is that wrong.
const AHEAD_MS: u64 = 1 << 42;

/// How far a term may be ahead of the highest known one. No tab misses that many brokers.
const STEPS: u64 = 1 << 20;

/// Whether a broker of ours can have this term. Each takes the successor of the highest known term, or the clock's
/// time. Without a bound, a forged term could be the greatest number, which no later broker exceeds.
pub(crate) fn is_plausible(term: Term, now: Time, known: Option<Term>) -> bool {
    let by_clock = now.as_ms().saturating_add(AHEAD_MS);
    let by_known = known.map_or(0, |Term(known)| known.saturating_add(STEPS));
    term.0 <= by_clock.max(by_known)
}

/// The highest plausible one of these terms, in chronological order. `known` is known already.
pub(crate) fn highest(
    terms: impl Iterator<Item = Term>,
    now: Time,
    known: Option<Term>,
) -> Option<Term> {
    terms.fold(None, |highest, term| {
        match is_plausible(term, now, highest.max(known)) {
            true => highest.max(Some(term)),
            false => highest,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::control::SAFE_INTEGER_MAX;

    const NOW: Time = Time::from_ms(1_800_000_000_000);

    fn term(ahead: u64) -> Term {
        Term(NOW.as_ms() + ahead)
    }

    #[test]
    fn a_term_is_bounded_by_the_clock_or_by_what_is_known() {
        assert!(is_plausible(Term(0), NOW, None));
        assert!(is_plausible(term(AHEAD_MS), NOW, None));
        assert!(!is_plausible(term(AHEAD_MS + 1), NOW, None));
        assert!(!is_plausible(Term(SAFE_INTEGER_MAX), NOW, Some(term(0))));
        // A known term is plausible however far ahead it is, and so are the terms soon after it.
        let known = term(2 * AHEAD_MS);
        assert!(is_plausible(Term(known.0 + STEPS), NOW, Some(known)));
        assert!(!is_plausible(Term(known.0 + STEPS + 1), NOW, Some(known)));
        // A clock that begins in 1970 accepts the terms of this century.
        assert!(is_plausible(Term(NOW.as_ms()), Time::from_ms(0), None));
    }

    #[test]
    fn an_implausible_term_is_ignored_among_others() {
        let terms = [term(1), Term(SAFE_INTEGER_MAX), term(2)];
        assert_eq!(highest(terms.into_iter(), NOW, None), Some(term(2)));
        assert_eq!(highest(terms.into_iter().take(0), NOW, Some(term(3))), None);
    }
}
