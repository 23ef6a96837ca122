use std::time::Instant;

use crate::error::Error;

/// Runs a loop once; returns how much was done, and in how many seconds.
pub(crate) type Run<'a> = Box<dyn FnMut() -> Result<(usize, f64), Error> + 'a>;

/// Runs a function; returns its result and the seconds that it took.
pub(crate) fn timed<T>(run: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let result = run();
    (result, start.elapsed().as_secs_f64())
}

/// Fails if an implementation found another number than the native one: then their times cannot be compared.
pub(crate) fn agrees(
    measure: &'static str,
    who: &'static str,
    found: usize,
    expected: usize,
) -> Result<(), Error> {
    if found == expected {
        Ok(())
    } else {
        Err(Error::Disagreement {
            measure,
            who,
            found,
            expected,
        })
    }
}
