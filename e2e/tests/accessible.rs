//! The page is accessible, as far as a program can check.

use std::fs;

use e2e::{Appearance, Browser, Tab, home, path_in};
use serde_json::Value;

use crate::until_agreed;

/// All rules of WCAG 2.0, 2.1 and 2.2 up to level AA, and axe's best practices. One line for each element that
/// breaks one.
const LOOK: &str = r#"
const { violations } = await axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"],
    resultTypes: ["violations"],
});
return violations.flatMap(({ id, help, nodes }) => nodes.map(({ target, failureSummary }) =>
    `${id} (${help}): ${target.join(" ")}\n    ${failureSummary.replaceAll("\n", "\n    ")}`));
"#;

/// The violations on the current page.
#[track_caller]
fn violations(tab: &Tab) -> Vec<String> {
    lines(tab.execute_async(LOOK))
}

#[track_caller]
fn lines(found: Value) -> Vec<String> {
    serde_json::from_value(found).expect("an array of lines")
}

/// The smallest and the largest supported window.
const LIMITS: [Appearance; 2] = [
    Appearance {
        is_dark: false,
        width: 360,
        height: 640,
    },
    Appearance {
        is_dark: true,
        width: 3840,
        height: 2160,
    },
];

/// Elements that extend beyond the right edge of the window, if they cannot be scrolled to and are not cut off. One line each.
const BEYOND: &str = r#"
const edge = document.documentElement.clientWidth;
const isShut = (element) => element !== document.documentElement
    && (getComputedStyle(element).overflowX !== "visible" || isShut(element.parentElement));
const beyond = [...document.body.querySelectorAll("*")].filter((element) =>
    element.checkVisibility() && element.getBoundingClientRect().right > edge + 0.5
        && !isShut(element.parentElement));
const lines = beyond.map((element) => `${element.outerHTML.slice(0, 100)} to ${element.getBoundingClientRect().right} of ${edge}`);
return document.documentElement.scrollWidth > edge ? ["the page itself", ...lines] : lines;
"#;

/// A page with messages, and the page that publishes them.
#[track_caller]
fn filled(browser: &Browser) -> [Tab<'_>; 2] {
    let first = browser.open("?subscribe=home/%23");
    let shown = browser.open("?subscribe=%23,home/%2B/temperature,alarms/%23");
    let other = browser.open("");
    first.close();
    let tabs = [shown, other];
    until_agreed(&tabs);
    let [shown, other] = &tabs;
    for message in (0..3).flat_map(home) {
        other.publish(&message);
    }
    other.publish_acknowledged(&e2e::Message::new("home/last", "1").qos(1));
    shown.until("the last message", |view| {
        view.messages.iter().any(|it| it.topic == "home/last")
    });
    tabs
}

/// Shows the list of retained messages.
#[track_caller]
fn list_retained(tab: &Tab) {
    tab.show("topics");
    tab.click("show-retained");
    tab.until_true(
        "the retained messages",
        "return document.querySelectorAll('[data-testid=retained-row]').length > 2",
    );
}

#[test]
fn no_view_extends_beyond_the_window_from_360_pixels_to_4k() {
    let browser = Browser::start();
    let [shown, _other] = &filled(&browser);
    let beyond = || lines(shown.execute(BEYOND, Vec::new()));
    let mut found = Vec::new();
    for view in shown.views() {
        shown.show(view);
        shown.fill(view);
        for appearance in LIMITS {
            shown.appear(appearance);
            for line in beyond() {
                found.push(format!("{view}, {appearance}: {line}"));
            }
        }
    }
    list_retained(shown);
    for appearance in LIMITS {
        shown.appear(appearance);
        found.extend(
            beyond()
                .into_iter()
                .map(|line| format!("retained, {appearance}: {line}")),
        );
    }
    assert!(found.is_empty(), "{}", found.join("\n"));

    // The check finds a violation that was added.
    let wrong = "document.querySelector('main').append(Object.assign(document.createElement('hr'), { style: 'width: 5000px' }))";
    shown.execute(wrong, Vec::new());
    let found = beyond();
    assert!(found.iter().any(|line| line.contains("<hr")), "{found:?}");
}

/// Each view, in each appearance, with something in it.
#[test]
fn axe_finds_nothing_in_any_view_light_or_dark_narrow_or_wide() {
    let browser = Browser::start();
    let [shown, _other] = &filled(&browser);
    let axe = path_in("TABMQ_AXE");
    let axe = fs::read_to_string(&axe).expect("axe-core");
    shown.execute(&axe, Vec::new());
    let mut found = Vec::new();
    for view in shown.views() {
        shown.show(view);
        shown.fill(view);
        for appearance in Appearance::ALL {
            shown.appear(appearance);
            for violation in violations(shown) {
                found.push(format!("{view}, {appearance}: {violation}"));
            }
        }
    }
    // The list in the place of the tree, and the dialog over it.
    list_retained(shown);
    for part in ["list", "dialog"] {
        if part == "dialog" {
            shown.click("retained-mark-all");
            shown.click("retained-clear");
            shown.until_count("retained-confirm", 1);
        }
        for appearance in Appearance::ALL {
            shown.appear(appearance);
            for violation in violations(shown) {
                found.push(format!(
                    "{part} of retained messages, {appearance}: {violation}"
                ));
            }
        }
    }
    shown.click("retained-cancel");
    shown.until_count("retained-confirm", 0);
    assert!(found.is_empty(), "{}", found.join("\n\n"));

    // The check finds a violation that was added.
    let wrong = "document.querySelector('main').append(Object.assign(new Image(), { id: 'wrong', src: 'icon.svg' }))";
    shown.execute(wrong, Vec::new());
    let found = violations(shown);
    assert!(
        found.len() == 1 && found[0].contains("image-alt") && found[0].contains("#wrong"),
        "{found:?}"
    );
}
