//! Nothing on the page keeps people out, as far as a program can tell.

use std::fs;

use e2e::{Appearance, Browser, Tab, home, path_in};
use serde_json::Value;

use crate::until_agreed;

/// Every rule of WCAG 2.0, 2.1 and 2.2 up to level AA, and what is good practice besides. One line for each element that
/// breaks one.
const LOOK: &str = r#"
const { violations } = await axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"],
    resultTypes: ["violations"],
});
return violations.flatMap(({ id, help, nodes }) => nodes.map(({ target, failureSummary }) =>
    `${id} (${help}): ${target.join(" ")}\n    ${failureSummary.replaceAll("\n", "\n    ")}`));
"#;

/// The violations on the page as it is now.
#[track_caller]
fn violations(tab: &Tab) -> Vec<String> {
    let found = tab.execute_async(LOOK);
    let found = found.as_array().expect("what axe found");
    found
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// Each view, in each appearance, with something in it.
#[test]
fn axe_finds_nothing_in_any_view_light_or_dark_narrow_or_wide() {
    let browser = Browser::start();
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
    assert!(found.is_empty(), "{}", found.join("\n\n"));

    // It would have found something.
    let wrong = "document.querySelector('main').append(Object.assign(new Image(), { id: 'wrong', src: 'icon.svg' }))";
    shown.execute(wrong, Vec::new());
    let found = violations(shown);
    assert!(
        found.len() == 1 && found[0].contains("image-alt") && found[0].contains("#wrong"),
        "{found:?}"
    );
}
