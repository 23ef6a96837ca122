//! Payloads: they are shown unchanged, large ones do not block the page, and all numbers can be charted.

use e2e::{Browser, Tab};
use serde_json::{Value, json};

/// More lines than a screen shows.
const LINES_MAX: u64 = 250;

/// JavaScript expressions for 1 MB of each kind.
const LARGE: [(&str, &str, &str); 4] = [
    (
        "JSON",
        "json",
        "JSON.stringify(Array.from({ length: 20000 }, (_, i) => ({ id: i, value: seed + i % 7, name: `n${i}`, on: true })))",
    ),
    (
        "Text",
        "text",
        "Array.from({ length: 20000 }, (_, i) => `line ${i} of ${seed}, with some words to fill it up`).join('\\n')",
    ),
    ("Text", "text", "`${seed}`.repeat(1_000_000)"),
    (
        "Hex",
        "hex",
        "Array.from({ length: 65536 }, (_, i) => (i % 65536 * 257 + seed).toString(16).padStart(8, '0').repeat(4)).join('')",
    ),
];

const HELPERS: &str = r#"
globalThis.of = (testid) => document.querySelector(`[data-testid=${testid}]`);
globalThis.publish = (topic, payload, format) => {
    const set = (testid, value) => {
        const field = of(testid);
        field.value = value;
        field.dispatchEvent(new Event("input", { bubbles: true }));
        field.dispatchEvent(new Event("change", { bubbles: true }));
    };
    set("publish-topic", topic);
    set("publish-payload", payload);
    set("publish-format", format);
    of("publish-send").click();
};
"#;

/// Opens the app, with helper functions in its page.
fn open(browser: &Browser) -> Tab<'_> {
    let tab = browser.open("");
    tab.until_ready();
    tab.execute(HELPERS, Vec::new());
    tab
}

/// Publishes, and waits until the message has arrived.
#[track_caller]
fn publish(tab: &Tab, topic: &str, payload: &str) {
    publish_as(tab, topic, &json!(payload).to_string(), "Text");
}

/// The same for the value of an expression, typed in this format.
#[track_caller]
fn publish_as(tab: &Tab, topic: &str, expression: &str, format: &str) {
    let before = received(tab);
    tab.execute(
        &format!("publish({}, {expression}, {})", json!(topic), json!(format)),
        Vec::new(),
    );
    tab.until_true_or(
        "the message",
        &format!("return Number(of('message-count').textContent.replaceAll(',', '')) > {before}"),
        || text(tab, "publish-result"),
    );
}

fn received(tab: &Tab) -> u64 {
    let script = "return Number(of('message-count').textContent.replaceAll(',', ''))";
    tab.execute(script, Vec::new()).as_u64().unwrap_or_default()
}

fn text(tab: &Tab, testid: &str) -> String {
    let script = format!("return of('{testid}')?.textContent ?? ''");
    let text = tab.execute(&script, Vec::new());
    text.as_str().unwrap_or_default().to_owned()
}

#[track_caller]
fn until_text(tab: &Tab, testid: &str, expected: &str) {
    let script = format!(
        "return of('{testid}')?.textContent.includes({}) ?? false",
        json!(expected)
    );
    tab.until_true_or(&format!("{expected:?} in {testid}"), &script, || {
        text(tab, testid).chars().take(300).collect()
    });
}

fn click(tab: &Tab, testid: &str) {
    tab.execute(&format!("of('{testid}').click()"), Vec::new());
}

/// Selects the newest message of the log.
#[track_caller]
fn select_newest(tab: &Tab) {
    // While a message is selected, the list does not move.
    if tab.execute("return of('message-detail') !== null", Vec::new()) == json!(true) {
        click(tab, "message-close");
        tab.until_true("no message", "return of('message-detail') === null");
    }
    let newest = received(tab);
    tab.until_true(
        "the newest",
        &format!("return of('message')?.id === 'message-{newest}'"),
    );
    click(tab, "message");
    tab.until_true("the message", "return of('message-detail') !== null");
}

/// Captures the next text that the page copies, and the next bytes that it saves.
fn catch(tab: &Tab) {
    tab.execute(
        "globalThis.saved = undefined;
         globalThis.copied = undefined;
         navigator.clipboard.writeText = async (text) => { globalThis.copied = text; };
         const create = URL.createObjectURL.bind(URL);
         URL.createObjectURL = (blob) => {
            blob.arrayBuffer().then((bytes) => { globalThis.saved = new Uint8Array(bytes); });
            return create(blob);
         };",
        Vec::new(),
    );
}

#[track_caller]
fn copied(tab: &Tab, button: &str) -> String {
    tab.execute("globalThis.copied = undefined", Vec::new());
    click(tab, button);
    tab.until_true("a copy", "return globalThis.copied !== undefined");
    let copied = tab.execute("return globalThis.copied", Vec::new());
    copied.as_str().unwrap_or_default().to_owned()
}

#[test]
fn json_is_shown_and_copied_unchanged() {
    let browser = Browser::start();
    let tab = open(&browser);
    catch(&tab);
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for (payload, shown) in [
        ("{\"e\":1e2,\"z\":-0}", "{\n  \"e\": 1e2,\n  \"z\": -0\n}"),
        ("{\"k\":1,\"k\":2}", "{\n  \"k\": 1,\n  \"k\": 2\n}"),
        (
            "{\"$serde_json::private::Number\":\"12\"}",
            "{\n  \"$serde_json::private::Number\": \"12\"\n}",
        ),
        ("[\"\\u00e9\\/\"]", "[\n  \"\\u00e9\\/\"\n]"),
        ("{\"a\":1}\n{\"a\":2}", "{\n  \"a\": 1\n}\n{\n  \"a\": 2\n}"),
    ] {
        publish(&tab, "exact", payload);
        select_newest(&tab);
        until_text(&tab, "payload", shown);
        assert_eq!(text(&tab, "payload"), shown);
        assert_eq!(copied(&tab, "copy-payload"), payload);
        assert_eq!(copied(&tab, "copy-formatted"), shown);
    }
    publish_as(&tab, "deep", &json!(deep).to_string(), "JSON");
    select_newest(&tab);
    until_text(&tab, "payload", "[");
    tab.until_true("its lines", "return of('payload').dataset.lines === '399'");
    for (payload, why) in [
        ("\u{feff}{}", "byte order mark"),
        (
            "{\"a\":1} {\"a\":2}",
            "a second value begins after the first (line 1, column 9)",
        ),
        ("{\"a\":tru", "it ends too early (line 1, column 9)"),
    ] {
        publish(&tab, "broken", payload);
        select_newest(&tab);
        click(&tab, "look-json");
        until_text(&tab, "payload", why);
        until_text(&tab, "payload", "Not valid JSON: ");
    }
}

#[test]
fn a_large_payload_has_elements_only_for_visible_lines() {
    let browser = Browser::start();
    let tab = open(&browser);
    for (kind, (format, best, expression)) in LARGE.into_iter().enumerate() {
        for seed in [1, 2] {
            let expression = format!("((seed) => {expression})({seed})");
            publish_as(&tab, &format!("large/{kind}"), &expression, format);
        }
        select_newest(&tab);
        for look in ["json", "text", "hex", "base64", "diff"] {
            let is_shown = match (best, look) {
                ("text" | "hex", "json") | ("hex", "text") => continue,
                (_, "diff") => "of('diff')?.dataset.lines > 10 && of('diff-summary') !== null",
                _ => "of('payload')?.dataset.lines > 1000 && of('payload-note') === null",
            };
            click(&tab, &format!("look-{look}"));
            tab.until_true_or(
                &format!("{look} of a large {format}"),
                &format!("return {is_shown}"),
                || text(&tab, "message-detail").chars().take(500).collect(),
            );
            let lines = tab.execute(
                "return document.querySelectorAll('.line').length",
                Vec::new(),
            );
            let lines = lines.as_u64().unwrap_or_default();
            assert!(
                (5..LINES_MAX).contains(&lines),
                "{look} of {format}: {lines} lines"
            );
            let longest = tab.execute(
                "return Math.max(...[...document.querySelectorAll('.line')].map((it) => it.textContent.length))",
                Vec::new(),
            );
            assert!(
                longest.as_u64().unwrap_or_default() <= 1_002,
                "{look} of {format}: {longest}"
            );
        }
    }
    // Scrolling shows the last line.
    click(&tab, "look-hex");
    tab.until_true("hex", "return of('payload')?.dataset.lines === '65536'");
    tab.execute("of('payload').scrollTop = 1e9", Vec::new());
    until_text(&tab, "payload", "0ffff0  ");
}

#[test]
fn a_payload_is_saved_byte_for_byte() {
    let browser = Browser::start();
    let tab = open(&browser);
    catch(&tab);
    publish_as(
        &tab,
        "large",
        "'89504e470d0a1a0a' + '00ff'.repeat(500000)",
        "Hex",
    );
    select_newest(&tab);
    click(&tab, "save-payload");
    tab.until_true("a file", "return globalThis.saved !== undefined");
    let is_exact = "return saved.length === 1000008 && saved[0] === 0x89 && saved[8] === 0 && saved[1000007] === 255";
    assert_eq!(tab.execute(is_exact, Vec::new()), Value::Bool(true));
    // Bytes that are no text are copied as digits.
    assert_eq!(
        tab.execute("return of('copy-payload')", Vec::new()),
        Value::Null
    );
    assert!(copied(&tab, "copy-hex").starts_with("89504e470d0a1a0a00ff"));
}

#[test]
fn the_tree_compares_a_message_with_earlier_ones() {
    let browser = Browser::start();
    let tab = open(&browser);
    for payload in ["{\"n\":1}", "{\"n\":2}", "{ \"n\": 2 }", "{ \"n\": 2 }"] {
        publish(&tab, "sensor", payload);
        publish(&tab, "other", "x");
    }
    tab.show("topics");
    tab.until_true(
        "the topic",
        "return document.querySelector('[data-testid=topic][data-name=sensor]') !== null",
    );
    tab.execute(
        "document.querySelector('[data-testid=topic][data-name=sensor]').click()",
        Vec::new(),
    );
    tab.until_true("its payload", "return of('look-diff') !== null");
    click(&tab, "look-diff");
    until_text(&tab, "diff", "Identical to the previous message.");
    click(&tab, "diff-older");
    until_text(&tab, "diff-summary", "Same values, different bytes");
    click(&tab, "diff-older");
    until_text(&tab, "diff", "−   \"n\": 1");
    until_text(&tab, "diff", "+   \"n\": 2");
    click(&tab, "diff-older");
    until_text(&tab, "diff", "No earlier message on this topic in the log.");
}

/// Records the labels of the charts' axes: text, place and width.
const NOTE_TICKS: &str = "
globalThis.ticks = [];
const write = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, x, y, ...more) {
    ticks.push({ text, x, y, width: this.measureText(text).width, canvas: this.canvas });
    return write.call(this, text, x, y, ...more);
};";

/// The names of a chart's lines.
fn lines(tab: &Tab) -> Vec<String> {
    let names = tab.execute(
        "return [...document.querySelectorAll('[data-testid=numbers] .u-series th')].map((it) => it.textContent.trim())",
        Vec::new(),
    );
    let names = names.as_array().cloned().unwrap_or_default();
    let names = names.iter().filter_map(Value::as_str);
    names.skip(1).map(str::to_owned).collect()
}

#[track_caller]
fn until_lines(tab: &Tab, expected: &[&str]) {
    let script = format!(
        "return JSON.stringify([...document.querySelectorAll('[data-testid=numbers] .u-series th')]
            .slice(1).map((it) => it.textContent.trim())) === JSON.stringify({})",
        json!(expected)
    );
    tab.until_true_or("the lines of a chart", &script, || {
        format!("{:?}", lines(tab))
    });
}

#[track_caller]
fn open_topic(tab: &Tab, topic: &str) {
    tab.show("topics");
    let find = format!("document.querySelector('[data-testid=topic][data-name={topic}]')");
    tab.until_true("the topic", &format!("return {find} !== null"));
    tab.execute(&format!("{find}.click()"), Vec::new());
}

#[test]
fn nested_numbers_are_charted_and_each_can_be_hidden() {
    let browser = Browser::start();
    let tab = open(&browser);
    for power in [20, 21, 22] {
        publish_as(
            &tab,
            "meter",
            &format!(
                "JSON.stringify({{ ts: Date.now(), ENERGY: {{ Power: {power} }}, 'a.b': 1, a: {{ b: 2 }}, list: [3], POWER1: 'ON', text: '21.5 °C' }})"
            ),
            "JSON",
        );
    }
    open_topic(&tab, "meter");
    until_lines(
        &tab,
        &["ENERGY › Power", "a.b", "a › b", "list › [0]", "POWER1"],
    );
    let chip = |name: &str| {
        format!(
            "[...document.querySelectorAll('.chip')].find((it) => it.textContent.startsWith({})).querySelector('input')",
            json!(name)
        )
    };
    assert_eq!(
        tab.execute(
            &format!("return [{}.checked, {}.checked]", chip("ts"), chip("text")),
            Vec::new()
        ),
        json!([false, false])
    );
    for name in ["a.b", "a › b", "list", "text", "ts"] {
        tab.execute(&format!("{}.click()", chip(name)), Vec::new());
    }
    until_lines(&tab, &["ts", "ENERGY › Power", "POWER1", "text"]);
    until_text(&tab, "numbers", "on");

    // A cleared log does not remove the chart.
    tab.show("messages");
    click(&tab, "message-clear");
    tab.until_true(
        "an empty log",
        "return of('message-count').textContent === '0'",
    );
    publish_as(
        &tab,
        "meter",
        "JSON.stringify({ ENERGY: { Power: 23 } })",
        "JSON",
    );
    open_topic(&tab, "meter");
    until_text(&tab, "chart-bounds", "4 points of at most 2,000");
    until_lines(&tab, &["ts", "ENERGY › Power", "POWER1", "text"]);
}

#[test]
fn time_labels_of_an_axis_do_not_overlap() {
    let browser = Browser::start();
    let tab = open(&browser);
    tab.execute(NOTE_TICKS, Vec::new());
    for number in 0..4 {
        publish(&tab, "number", &number.to_string());
    }
    open_topic(&tab, "number");
    let times = "ticks.filter(({ text }) => /^\\d\\d:\\d\\d/.test(text))";
    tab.until_true("times", &format!("return {times}.length > 0"));
    // The labels of each canvas's last drawing.
    let overlapping = tab.execute(
        &format!(
            "const pairs = {times}.map((it, at, all) => [it, all[at + 1]]);
             return pairs.filter(([a, b]) => b && a.canvas === b.canvas && b.x > a.x && a.x + (a.width + b.width) / 2 >= b.x)
                .map(([a, b]) => `${{a.text}} ${{b.text}}`)"
        ),
        Vec::new(),
    );
    assert_eq!(overlapping, json!([]));
}
