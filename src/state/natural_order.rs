//! The natural order of names.

use std::cmp::Ordering;

/// Natural order: numbers in names compare as numbers, so that 2 is before 10.
pub(super) fn natural(a: &str, b: &str) -> Ordering {
    let (mut rest_a, mut rest_b) = (a, b);
    loop {
        let (Some(first_a), Some(first_b)) = (rest_a.chars().next(), rest_b.chars().next()) else {
            return rest_a.len().cmp(&rest_b.len()).then_with(|| a.cmp(b));
        };
        let is_number = first_a.is_ascii_digit() && first_b.is_ascii_digit();
        let order = if is_number {
            let (number_a, after_a) = number(rest_a);
            let (number_b, after_b) = number(rest_b);
            (rest_a, rest_b) = (after_a, after_b);
            // Without leading zeros, the longer number is greater.
            number_a
                .len()
                .cmp(&number_b.len())
                .then_with(|| number_a.cmp(number_b))
        } else {
            rest_a = &rest_a[first_a.len_utf8()..];
            rest_b = &rest_b[first_b.len_utf8()..];
            first_a.cmp(&first_b)
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// The digits at the beginning, without leading zeros, and what follows.
fn number(text: &str) -> (&str, &str) {
    let end = text.find(|it: char| !it.is_ascii_digit());
    let (digits, rest) = text.split_at(end.unwrap_or(text.len()));
    (digits.trim_start_matches('0'), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let sorted = ["1", "02", "2", "10", "room2", "room10", "room10a"];
        for (place, a) in sorted.iter().enumerate() {
            for (other, b) in sorted.iter().enumerate() {
                assert_eq!(natural(a, b), place.cmp(&other), "{a} {b}");
            }
        }
    }
}
