//! Values that a browser stores in separate files, because they are large and do not compress.

use std::time::Duration;

use e2e::{Chromium, Ending, Page};
use serde_json::json;

use crate::profile::{Format, Profile};
use crate::workload::connect;

/// Retained messages, in this order. The first one makes the log long, so earlier rows go into a snapshot. The
/// others stay in rows.
const RETAINED_BYTES: [usize; 5] = [16_777_000, 4_000_000, 1_000_000, 66_000, 60_000];
/// Messages in the queue of a session that is away.
const WAITING_BYTES: [usize; 3] = [1_000_000, 66_000, 60_000];
/// Messages of one row: each is small, but the row is large.
const TOGETHER: usize = 17;
const TOGETHER_BYTES: usize = 60_000;
/// Retained messages of one snapshot, each small.
const SENSORS: usize = 1_500;
const SENSOR_BYTES: usize = 200;
/// The most that a CONNECT can hold. With the rest of its row, it is too large for the browser's common file.
const WILL_BYTES: usize = 65_535;

/// The longest time for such messages. The page is slow, because it converts them into arrays of numbers.
const LONGEST: Duration = Duration::from_secs(60);

/// Chromium stores larger values in separate files.
const APART_BYTES: usize = 65_536;

/// Publishes noise to `{prefix}/{number}` for each of these lengths, all in one task.
#[track_caller]
fn publish(page: &Page<'_>, prefix: &str, seed: u32, lengths: &[usize], retain: bool) {
    let publish = format!(
        "Promise.all({}.map((length, at) =>
            tab.publish(`{prefix}/${{at}}`, tab.noise({seed} + at, length), {{ retain: {retain} }})))",
        json!(lengths)
    );
    let codes: Vec<u8> = page.evaluate_as(&publish);
    let is_accepted = codes.iter().all(|code| [0, 16].contains(code));
    assert!(is_accepted, "{prefix}: {codes:?}");
}

/// Waits until a client has received exactly this noise.
#[track_caller]
fn assert_arrives(page: &Page<'_>, client: u32, prefix: &str, seed: u32, lengths: &[usize]) {
    page.evaluate(&format!(
        "globalThis.expected = {}.map((length, at) => tab.hash(tab.noise({seed} + at, length))),
         globalThis.arrived = (at) => tab.messages.find((it) => it.client === {client} && it.topic === `{prefix}/${{at}}`),
         true",
        json!(lengths)
    ));
    page.evaluate("tab.until(() => expected.every((_, at) => arrived(at) !== undefined))");
    let differing: Vec<usize> = page.evaluate_as(
        "expected.map((hash, at) => hash === arrived(at).hash ? -1 : at).filter((at) => at >= 0)",
    );
    assert_eq!(
        differing, [0; 0],
        "{prefix}: other bytes than were published"
    );
}

fn together() -> Vec<usize> {
    vec![TOGETHER_BYTES; TOGETHER]
}

fn sensors() -> Vec<usize> {
    vec![SENSOR_BYTES; SENSORS]
}

/// Stores large retained messages.
#[track_caller]
fn leave_retained(page: &Page<'_>) {
    publish(page, "kept/sensor", 1, &sensors(), true);
    let [first, others @ ..] = RETAINED_BYTES;
    publish(page, "kept/first", 2, &[first], true);
    publish(page, "kept/other", 3, &others, true);
}

/// Stores large messages in the queue of a session that is away. Each `seed` gives other ones.
#[track_caller]
fn leave_waiting(page: &Page<'_>, seed: u32) {
    page.evaluate(
        "(async () => {
            await tab.connect({ client: 1, clientId: 'away', clean: true, expiry: 3600 });
            await tab.subscribe('waiting/#', { client: 1 });
            tab.disconnect({ client: 1 });
        })()",
    );
    publish(page, "waiting/one", seed, &WAITING_BYTES, false);
    publish(page, "waiting/together", seed + 100, &together(), false);
}

/// Stores a large will of a client that ends with its tab, without a DISCONNECT.
#[track_caller]
fn leave_will(page: &Page<'_>, seed: u32) {
    let connected = page.evaluate(&format!(
        "tab.connect({{
            client: 2, clientId: 'mortal-{seed}', clean: false, expiry: 3600,
            will: {{ topic: 'will/{seed}', payload: tab.noise({seed}, {WILL_BYTES}), retain: true }},
        }})"
    ));
    assert!(connected["term"].is_u64(), "{connected}");
}

/// Checks the sizes of the rows of log and snapshot.
#[track_caller]
fn assert_apart(page: &Page<'_>) {
    let sum = format!(
        "(all) => all.filter((bytes) => bytes > {APART_BYTES}).reduce((sum, bytes) => sum + bytes, 0)"
    );
    let [rows, pieces]: [usize; 2] = page.evaluate_as(&format!(
        "raw.values('large').then(({{ rows, pieces }}) => [rows, pieces].map({sum}))"
    ));
    let [first, others @ ..] = RETAINED_BYTES;
    let all = [
        &others[..],
        &WAITING_BYTES[..],
        &together()[..],
        &[WILL_BYTES],
    ]
    .concat();
    let small = [others[3], WAITING_BYTES[2]].iter().sum::<usize>();
    // The first of the small ones may have its own row.
    let expected = all.iter().sum::<usize>() - small - TOGETHER_BYTES;
    assert!(rows >= expected, "{rows} of {expected} bytes in large rows");
    let expected = first + SENSORS * SENSOR_BYTES;
    assert!(
        pieces >= expected,
        "{pieces} of {expected} bytes in large pieces"
    );
}

/// Checks the values of [`leave_retained`] byte for byte.
#[track_caller]
fn assert_retained(page: &Page<'_>) {
    page.evaluate("tab.connect({ client: 3 }).then(() => tab.subscribe('kept/#', { client: 3 }))");
    assert_arrives(page, 3, "kept/sensor", 1, &sensors());
    let [first, others @ ..] = RETAINED_BYTES;
    assert_arrives(page, 3, "kept/first", 2, &[first]);
    assert_arrives(page, 3, "kept/other", 3, &others);
}

/// Checks all values byte for byte, after all tabs have ended.
#[track_caller]
fn assert_all(page: &Page<'_>, seed: u32) {
    assert_retained(page);
    let connected =
        page.evaluate("tab.connect({ client: 1, clientId: 'away', clean: false, expiry: 3600 })");
    assert_eq!(connected["session_present"], true, "{connected}");
    assert_arrives(page, 1, "waiting/one", seed, &WAITING_BYTES);
    assert_arrives(page, 1, "waiting/together", seed + 100, &together());
    page.evaluate("tab.subscribe('will/#', { client: 3 })");
    page.evaluate(&format!(
        "tab.until(() => tab.messages.some(({{ topic, hash }}) =>
            topic === 'will/{seed}' && hash === tab.hash(tab.noise({seed}, {WILL_BYTES}))))"
    ));
}

#[test]
fn large_values_survive_a_takeover_and_the_end_of_the_browser() {
    assert_survive(Format::LevelDb);
}

#[test]
fn large_values_survive_in_sqlite_databases() {
    assert_survive(Format::Sqlite);
}

#[track_caller]
fn assert_survive(format: Format) {
    // A browser in memory has no files.
    let mut profile = Profile::new(format);
    let chromium = profile.start();
    chromium.wait_at_most(LONGEST);
    // Alone, because storing the largest takes long, and no other tab may replace the broker meanwhile.
    let page = chromium.join("large");
    connect(&page);
    leave_retained(&page);
    leave_waiting(&page, 1_000);
    assert_apart(&page);
    let other = chromium.join("large");
    other.until_client();
    page.end_by(Ending::Close);
    other.until_broker();
    assert_retained(&other);
    leave_will(&other, 1_000);
    profile.end(chromium, Chromium::kill);

    let chromium = profile.start();
    chromium.wait_at_most(LONGEST);
    let page = chromium.join("large");
    connect(&page);
    assert_all(&page, 1_000);
    leave_waiting(&page, 5_000);
    leave_will(&page, 5_000);

    profile.end(chromium, Chromium::quit);

    let chromium = profile.start();
    chromium.wait_at_most(LONGEST);
    let page = chromium.join("large");
    connect(&page);
    assert_all(&page, 5_000);
}
