//! The layout of the app in all usual windows: a message is readable, no element covers
//! another one, and elements move only after a person's action.

use e2e::{Appearance, Browser, Key, Message, Role, Tab, home};
use serde_json::{Value, json};

/// The errors that a script found, one line each.
#[track_caller]
fn lines(found: Value) -> Vec<String> {
    serde_json::from_value(found).expect("an array of lines")
}

/// Common part of the scripts: visible elements and their places.
const BOXES: &str = r#"
const seen = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true })
    && element.getBoundingClientRect().width > 1 && element.getBoundingClientRect().height > 1;
const all = (selector) => [...document.querySelectorAll(selector)].filter(seen);
const name = (element) => element.dataset.testid ?? (element.id || element.className || element.tagName);
// The part of an element that is in the window and not cut off by an outer element.
const inSight = (element) => {
    let { left, top, right, bottom } = element.getBoundingClientRect();
    [left, top] = [Math.max(left, 0), Math.max(top, 0)];
    [right, bottom] = [Math.min(right, innerWidth), Math.min(bottom, innerHeight)];
    for (let it = element.parentElement; it !== null && it !== document.body; it = it.parentElement) {
        if (getComputedStyle(it).overflowY === "visible") continue;
        const around = it.getBoundingClientRect();
        [left, top] = [Math.max(left, around.left), Math.max(top, around.top)];
        [right, bottom] = [Math.min(right, around.right), Math.min(bottom, around.bottom)];
    }
    return { left, top, right, bottom, width: right - left, height: bottom - top };
};
const overlaps = (elements) => elements.flatMap((one, index) => elements.slice(index + 1).flatMap((other) => {
    if (one.contains(other) || other.contains(one)) return [];
    const [a, b] = [one.getBoundingClientRect(), other.getBoundingClientRect()];
    const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    return width > 1 && height > 1 ? [`${name(one)} and ${name(other)} lie over each other, ${width} by ${height} px`] : [];
}));
"#;

/// The errors in the layout while messages are shown.
const PLACES: &str = r#"
const wrong = [];
const { scrollWidth, clientWidth, scrollHeight, clientHeight } = document.documentElement;
if (scrollWidth > clientWidth) wrong.push(`the page is ${scrollWidth} px wide in a window of ${clientWidth}`);
if (innerWidth >= 1248 && scrollHeight > clientHeight) wrong.push(`the page is ${scrollHeight} px high in a window of ${clientHeight}`);
wrong.push(...overlaps(all(".panel, .header, .publish-open")));
wrong.push(...overlaps(all(`.panel-messages > *, .panel-messages > .panel-head > :not(.tools),
    .panel-messages .tools > *, .panel-messages .detail > *`)));
for (const part of all(".panel-messages > .panel-head, .panel-messages > .rows, .panel-messages > .detail")) {
    const panel = part.closest(".panel").getBoundingClientRect();
    const box = part.getBoundingClientRect();
    const isOver = getComputedStyle(part).position === "fixed";
    if (!isOver && (box.bottom > panel.bottom + 1 || box.top < panel.top - 1)) wrong.push(`${name(part)} reaches out of its panel`);
}
for (const tool of all(".panel-messages .tools > *")) {
    const { width, height } = inSight(tool);
    if (height < 20 || width < 40) wrong.push(`${name(tool)} is cut off: ${width} by ${height} px`);
}
return wrong;
"#;

/// The error of a selected message whose payload has too little space.
const PAYLOAD: &str = r#"
const payload = document.querySelector("[data-testid=message-detail] [data-testid=payload]");
if (payload === null) return ["no payload"];
const { height, width } = inSight(payload);
const whole = payload.scrollHeight;
const wrong = [];
if (height < Math.min(190, whole)) wrong.push(`${height} px of ${whole} px of payload are in sight`);
if (width < 250) wrong.push(`a payload of ${width} px of width`);
const rows = all("[data-testid=message]").map((row) => inSight(row)).filter((row) => row.height > 20).length;
if (innerWidth >= 800 && rows < 4) wrong.push(`${rows} rows beside the selected one`);
return wrong;
"#;

#[track_caller]
fn found(tab: &Tab, script: &str) -> Vec<String> {
    lines(tab.execute(&format!("{BOXES}{script}"), Vec::new()))
}

/// A message whose payload needs more space than the window has.
fn long() -> Message {
    let fields: Vec<String> = (0..40).map(|it| format!("\"field-{it}\":{it}")).collect();
    Message::new(
        "home/kitchen/climate/with/a/long/topic",
        format!("{{{}}}", fields.join(",")),
    )
    .qos(1)
}

/// A page with a home's messages, and the page that publishes them.
#[track_caller]
fn with_traffic(browser: &Browser) -> [Tab<'_>; 2] {
    let other = browser.open("?subscribe=");
    let shown = browser.open("?subscribe=%23,home/%2B/temperature");
    let mut messages: Vec<Message> = (0..8).flat_map(home).collect();
    messages.push(long());
    for message in &messages {
        other.publish(message);
    }
    shown.until("the traffic", |view| {
        view.message_count == messages.len() as u64
    });
    [shown, other]
}

#[test]
fn a_message_is_readable_and_no_element_covers_another_in_every_window() {
    let browser = Browser::start();
    let [shown, _other] = &with_traffic(&browser);
    let mut wrong = Vec::new();
    for (width, height) in Appearance::WINDOWS {
        let appearance = Appearance::new(false, width, height);
        shown.appear(appearance);
        let mut note = |what: &str, found: Vec<String>| {
            wrong.extend(
                found
                    .into_iter()
                    .map(|it| format!("{width}x{height}, {what}: {it}")),
            );
        };
        note("nothing selected", found(shown, PLACES));
        let first = "const row = all('[data-testid=message]')[0];
            return row !== undefined && inSight(row).height > 25 ? [] : ['no row in the first screen'];";
        note("nothing selected", found(shown, first));
        shown.click("message");
        shown.appear(appearance);
        note("a message selected", found(shown, PLACES));
        note("a message selected", found(shown, PAYLOAD));
        shown.click("message-close");
        shown.until_true(
            "no message",
            "return document.querySelector('[data-testid=message-detail]') === null",
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn on_a_telephone_a_tap_opens_a_message_which_can_be_closed() {
    let browser = Browser::start();
    let [shown, _other] = &with_traffic(&browser);
    shown.appear(Appearance::new(false, 390, 844));
    shown.click("message");
    let over_all =
        "const it = document.querySelector('[data-testid=message-detail]')?.getBoundingClientRect();
        return it?.top === 0 && it.height === innerHeight && it.width === document.documentElement.clientWidth";
    shown.until_true("the message over everything", over_all);
    let focused =
        |testid: &str| format!("return document.activeElement.dataset.testid === '{testid}'");
    shown.until_true("the way back", &focused("message-close"));
    shown.press(&Key::Escape.value().to_string());
    shown.until_true("the log again", &focused("message-log"));

    shown.click("publish-open");
    shown.until_true("the form", &focused("publish"));
    let in_window = "return all('[data-testid=publish-topic], [data-testid=publish-payload], [data-testid=publish-send]')
        .map((it) => [name(it), inSight(it).height]).filter(([, height]) => height < 24).map(String)";
    assert_eq!(found(shown, in_window), [""; 0]);
    shown.click("publish-send");
    shown.until("the published message", |view| {
        !view.payloads("hello").is_empty()
    });
    shown.click("publish-close");
    shown.until_true("the button", &focused("publish-open"));
}

/// Left, top, width and height of each element.
fn places(tab: &Tab, testids: &[&str]) -> Value {
    let script = "return arguments[0].map((it) => {
        const { left, top, width, height } = document.querySelector(`[data-testid=${it}]`).getBoundingClientRect();
        return [it, left, top, width, height];
    })";
    tab.execute(script, vec![json!(testids)])
}

#[test]
fn nothing_moves_when_messages_arrive_or_tabs_join() {
    const TOOLS: [&str; 6] = [
        "message-filter",
        "message-topic-filter",
        "message-pause",
        "message-clear",
        "message-export",
        "message-log",
    ];
    const LIST_OF_TABS: [&str; 7] = [
        "open-tab",
        "tabs-open",
        "tabs-number",
        "broker-close",
        "broker-crash",
        "broker-freeze",
        "fault-panel-stream",
    ];
    let browser = Browser::start();
    // Two tabs, because the hint for new users disappears with the second one.
    let shown = browser.open("");
    let _second = browser.open("");
    shown.until("two tabs", |view| view.members.len() == 2);
    shown.execute(
        "document.querySelector('[data-testid=publish-send]').click()",
        Vec::new(),
    );
    shown.until("one message", |view| view.message_count == 1);
    let mut before = Vec::new();
    for (width, height) in Appearance::WINDOWS {
        shown.appear(Appearance::new(false, width, height));
        before.push((places(&shown, &TOOLS), places(&shown, &LIST_OF_TABS)));
    }
    let publish = "for (let i = 0; i < 1_200; i++) document.querySelector('[data-testid=publish-send]').click()";
    shown.execute(publish, Vec::new());
    shown.until("1,200 messages", |view| view.message_count == 1_201);
    shown.execute(
        "document.querySelector('[data-testid=message-pause]').click()",
        Vec::new(),
    );
    shown.execute(publish, Vec::new());
    shown.until("as many again", |view| view.message_count == 2_401);
    let _more: Vec<Tab> = (0..3).map(|_| browser.open("")).collect();
    shown.until("five tabs", |view| view.members.len() == 5);
    for ((width, height), (tools, members)) in Appearance::WINDOWS.into_iter().zip(before) {
        shown.appear(Appearance::new(false, width, height));
        assert_eq!(places(&shown, &TOOLS), tools, "{width}x{height}");
        assert_eq!(places(&shown, &LIST_OF_TABS), members, "{width}x{height}");
    }
    // A browser that blocks pop-ups opens one tab of many. The note about it moves no button.
    let before = places(&shown, &LIST_OF_TABS);
    shown.execute("HTMLAnchorElement.prototype.click = () => {}", Vec::new());
    shown.click("tabs-open");
    shown.until_text(
        "tabs-missing",
        "The browser opened 0 of 5 tabs. Allow pop-ups",
    );
    assert_eq!(
        places(&shown, &LIST_OF_TABS),
        before,
        "a note on missing tabs"
    );
}

#[test]
fn a_search_moves_neither_its_field_nor_the_list() {
    let browser = Browser::start();
    let [shown, _other] = &with_traffic(&browser);
    for (view, field, elements) in [
        (
            "messages",
            "message-filter",
            ["message-filter", "message-pause", "message-log"],
        ),
        (
            "topics",
            "topic-search",
            ["topic-search", "show-retained", "topic-tree"],
        ),
    ] {
        shown.show(view);
        for (width, height) in Appearance::WINDOWS {
            shown.appear(Appearance::new(false, width, height));
            let field = format!("[data-testid={field}]");
            shown.enter(&field, "");
            let before = places(shown, &elements);
            shown.enter(&field, "temperature");
            let found = if view == "topics" {
                "topics-found"
            } else {
                "message-found"
            };
            shown.until_text(found, "found");
            assert_eq!(places(shown, &elements), before, "{view}, {width}x{height}");
        }
    }
}

#[test]
fn the_list_of_tabs_has_the_broker_first_this_tab_second_and_the_others_by_age() {
    let browser = Browser::start();
    let tabs: Vec<Tab> = (0..5).map(|_| browser.open("")).collect();
    let ids: Vec<String> = tabs.iter().map(Tab::id).collect();
    tabs[0].until_ready_as(Role::Broker);
    for (own, tab) in ids.iter().zip(&tabs) {
        let mut expected = vec![ids[0].clone(), own.clone()];
        expected.extend(
            ids.iter()
                .filter(|id| *id != own && **id != ids[0])
                .cloned(),
        );
        expected.dedup();
        tab.until("the list of tabs in order", |view| {
            view.member_ids() == expected
        });
    }
}

#[test]
fn the_header_has_room_for_the_views_and_the_channel_on_a_tablet() {
    let browser = Browser::start();
    let tab = browser.open("");
    for width in [820, 390] {
        tab.appear(Appearance::new(false, width, 1180));
        let cut = "return all('.views, .header-channel').filter((it) => it.scrollWidth > it.clientWidth).map(name)";
        assert_eq!(found(&tab, cut), [""; 0], "{width}");
    }
}

#[test]
fn everything_that_is_pressed_is_24_pixels_high_and_wide() {
    let browser = Browser::start();
    let [shown, _other] = &with_traffic(&browser);
    // A label counts with its control. Rows of a list are high enough, and their toggles are no buttons.
    let small = "return all('button, a, summary, select, textarea, input, label, .topic-toggle')
        .filter((it) => it.closest('label') === null || it.localName === 'label')
        .map((it) => [name(it), it.getBoundingClientRect()])
        .filter(([, { width, height }]) => width < 23.9 || height < 23.9)
        .map(([name, { width, height }]) => `${name}: ${width} by ${height}`)";
    let mut wrong = Vec::new();
    for view in shown.views() {
        shown.show(view);
        shown.fill(view);
        for (width, height) in [(390, 844), (1440, 900)] {
            shown.appear(Appearance::new(false, width, height));
            let found = found(shown, small).into_iter();
            wrong.extend(found.map(|it| format!("{view}, {width}: {it}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_choice_is_cut_off() {
    let browser = Browser::start();
    let tab = browser.open("");
    tab.until_ready();
    // The text of the longest choice, in the font of its field.
    let cut = "const canvas = document.createElement('canvas').getContext('2d');
        return all('select').flatMap((it) => {
            const { font, paddingLeft, paddingRight } = getComputedStyle(it);
            canvas.font = font;
            const room = it.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
            const needed = Math.max(...[...it.options].map((option) => canvas.measureText(option.text).width));
            return needed > room + 1 ? [`${it.name}: ${needed} px in ${room} px`] : [];
        })";
    let mut wrong = Vec::new();
    for view in ["messages", "performance"] {
        tab.show(view);
        tab.unfold();
        for (width, height) in Appearance::WINDOWS {
            tab.appear(Appearance::new(false, width, height));
            if width < 600 && view == "messages" {
                tab.click("publish-open");
            }
            let found = found(&tab, cut).into_iter();
            wrong.extend(found.map(|it| format!("{view}, {width}x{height}: {it}")));
            if width < 600 && view == "messages" {
                tab.click("publish-close");
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_selection_is_visible_with_forced_colours() {
    let browser = Browser::start();
    let [shown, _other] = &with_traffic(&browser);
    shown.appear(Appearance::new(false, 1440, 900));
    shown.click("message");
    shown.force_colours();
    let alike = "const look = (it) => {
            const { backgroundColor, outlineStyle, outlineColor } = getComputedStyle(it);
            return [backgroundColor, outlineStyle === 'none' || outlineColor].join();
        };
        const pairs = {
            rows: ['.row[aria-selected=true]', '.row[aria-selected=false]'],
            views: ['.views [aria-current=page]', '.views a:not([aria-current])'],
            formats: ['.segmented [aria-pressed=true]', '.segmented [aria-pressed=false]'],
            swatches: ['.swatch.colour-0', '.swatch.colour-1'],
        };
        return Object.entries(pairs).filter(([, [one, other]]) =>
            look(document.querySelector(one)) === look(document.querySelector(other))).map(([what]) => what)";
    assert_eq!(found(shown, alike), [""; 0]);
}
