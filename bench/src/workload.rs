//! The topics and filters of a factory: `site-7/line-12/machine-31/sensor-4`.

/// Number of topics.
pub const TOPICS: usize = SITES * LINES * MACHINES * SENSORS;
/// Number of filters, all different: 70 % without wildcard, 20 % with a `+`, 10 % with a `#`.
pub const FILTERS: usize = EXACT + SINGLE_LEVEL + MULTI_LEVEL;
/// Number of filters that match a topic, averaged over all topics.
pub const MATCHES_PER_TOPIC: f64 = 1.78;

const SITES: usize = 20;
const LINES: usize = 25;
const MACHINES: usize = 40;
const SENSORS: usize = 50;

const EXACT: usize = 70_000;
const SINGLE_LEVEL: usize = 20_000;
const MULTI_LEVEL: usize = 10_000;
/// Number of filters with `#` for all sensors of a line. The other ones are for all sensors of a machine.
const OF_A_LINE: usize = 275;

/// Topic number `index`. Those below [`TOPICS`] are all different, and successive topics have no similar names.
#[must_use]
pub fn topic(index: usize) -> String {
    let [site, line, machine, sensor] = place(scattered(index, TOPICS));
    format!("site-{site}/line-{line}/machine-{machine}/sensor-{sensor}")
}

/// All topics.
pub fn topics() -> impl Iterator<Item = String> {
    (0..TOPICS).map(topic)
}

/// All filters, in mixed order.
#[must_use]
pub fn filters() -> Vec<String> {
    let exact = (0..EXACT).map(topic);
    // A quarter of these has the `+` at each level.
    let single = (0..SINGLE_LEVEL).map(|index| {
        let (level, index) = (index % 4, index / 4);
        let fan = [SITES, LINES, MACHINES, SENSORS][level];
        let [site, line, machine, sensor] = others(level, scattered(index, TOPICS / fan));
        match level {
            0 => format!("+/line-{line}/machine-{machine}/sensor-{sensor}"),
            1 => format!("site-{site}/+/machine-{machine}/sensor-{sensor}"),
            2 => format!("site-{site}/line-{line}/+/sensor-{sensor}"),
            _ => format!("site-{site}/line-{line}/machine-{machine}/+"),
        }
    });
    let of_a_line = (0..OF_A_LINE).map(|index| {
        let index = scattered(index, SITES * LINES);
        format!("site-{}/line-{}/#", index / LINES, index % LINES)
    });
    let of_a_machine = (0..MULTI_LEVEL - OF_A_LINE).map(|index| {
        let [site, line, machine, _] = place(scattered(index, TOPICS / SENSORS) * SENSORS);
        format!("site-{site}/line-{line}/machine-{machine}/#")
    });
    let mut all: Vec<String> = exact
        .chain(single)
        .chain(of_a_line)
        .chain(of_a_machine)
        .collect();
    // Without mixing, filters of one kind would be neighbours in memory.
    all = (0..FILTERS)
        .map(|index| core::mem::take(&mut all[scattered(index, FILTERS)]))
        .collect();
    all
}

/// A permutation of the numbers below `count`, in an order that caches do not predict.
const fn scattered(index: usize, count: usize) -> usize {
    // A prime that divides no count used here. The product needs 64 bits, also in WebAssembly.
    (index as u64 * 611_953 % count as u64) as usize
}

/// Site, line, machine and sensor of a topic.
const fn place(index: usize) -> [usize; 4] {
    [
        index / (SENSORS * MACHINES * LINES),
        index / (SENSORS * MACHINES) % LINES,
        index / SENSORS % MACHINES,
        index % SENSORS,
    ]
}

/// One of the combinations of all levels except `level`, which is 0.
fn others(level: usize, mut index: usize) -> [usize; 4] {
    let mut place = [0; 4];
    for (other, fan) in [SITES, LINES, MACHINES, SENSORS]
        .into_iter()
        .enumerate()
        .rev()
    {
        if other != level {
            place[other] = index % fan;
            index /= fan;
        }
    }
    place
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn all_filters_are_different() {
        let all = filters();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), FILTERS);
        let with = |wildcard| {
            all.iter()
                .filter(|filter| filter.contains(wildcard))
                .count()
        };
        assert_eq!((with('+'), with('#')), (SINGLE_LEVEL, MULTI_LEVEL));
    }

    #[test]
    fn filters_match_the_documented_number_of_topics() {
        let matched: usize = filters()
            .iter()
            .map(|filter| match filter.find(['+', '#']) {
                None => 1,
                Some(_) => filter
                    .split('/')
                    .zip([SITES, LINES, MACHINES, SENSORS])
                    .skip_while(|(level, _)| !["+", "#"].contains(level))
                    .map(|(level, fan)| match level {
                        "+" => fan,
                        "#" if filter.contains("machine") => SENSORS,
                        "#" => MACHINES * SENSORS,
                        _ => 1,
                    })
                    .product(),
            })
            .sum();
        let mean = matched as f64 / TOPICS as f64;
        assert!((mean - MATCHES_PER_TOPIC).abs() < 0.005, "{mean}");
    }
}
