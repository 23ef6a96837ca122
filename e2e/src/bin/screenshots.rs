//! `cargo xtask screenshots`: takes pictures of all views of the app with a home's messages, light and dark, narrow and wide.
#![allow(
    clippy::disallowed_methods,
    reason = "the ban on clocks is for the engines"
)]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use e2e::{Appearance, Browser, Message, Tab, home};

/// The window sizes, from a telephone to a large screen.
const WINDOWS: [(u32, u32); 9] = {
    let [a, b, c, d, e, f, g, h] = Appearance::WINDOWS;
    [a, b, c, d, e, f, g, h, (1920, 1080)]
};

/// Rounds of a home's messages.
const ROUNDS: u32 = 24;
/// Time from one round to the next.
const ROUND: Duration = Duration::from_millis(250);
/// Time for the load generator's charts to fill.
const LOAD: Duration = Duration::from_secs(12);

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("error: name the folder for the pictures");
        return ExitCode::FAILURE;
    };
    match run(&folder) {
        Ok(()) => {
            println!("The pictures are in {}.", folder.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn run(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let browser = Browser::start();
    let first = browser.open("");
    let shown = browser.open("?subscribe=%23,home/%2B/temperature,alarms/%23");
    let others = [browser.open("?subscribe=home/%23"), browser.open("")];
    live(first, &shown, &others);
    for view in shown.views() {
        shown.show(view);
        if view == "messages" {
            take(&shown, "log", folder)?;
        }
        shown.fill(view);
        if view == "performance" {
            println!("{view}: waiting for its charts to fill");
            thread::sleep(LOAD);
        }
        take(&shown, view, folder)?;
    }
    Ok(())
}

/// Takes pictures in all window sizes, light and dark. Narrow windows get another one of the whole page.
fn take(shown: &Tab<'_>, name: &str, folder: &Path) -> io::Result<()> {
    for (width, height) in WINDOWS {
        for is_dark in [false, true] {
            let appearance = Appearance::new(is_dark, width, height);
            let name = format!("{name}-{appearance}.png");
            println!("{name}");
            fs::write(folder.join(&name), shown.picture(appearance, false))?;
            if appearance.is_narrow() {
                let whole = folder.join(format!("whole-{name}"));
                fs::write(whole, shown.picture(appearance, true))?;
            }
        }
    }
    Ok(())
}

/// Publishes a home's messages in the tabs, and closes the broker's tab halfway.
fn live(broker: Tab<'_>, shown: &Tab<'_>, others: &[Tab<'_>]) {
    println!("a home of {} tabs, for {ROUNDS} rounds", others.len() + 2);
    let mut broker = Some(broker);
    for (round, publisher) in (0..ROUNDS).zip(others.iter().cycle()) {
        for message in home(round) {
            publisher.publish(&message);
        }
        if round == ROUNDS / 2
            && let Some(broker) = broker.take()
        {
            broker.close();
        }
        thread::sleep(ROUND);
    }
    let last = Message::new("home/hall/last-seen", "just now").qos(1);
    others[0].publish_acknowledged(&last);
    shown.until("the last message", |view| {
        view.messages.iter().any(|it| it.topic == last.topic)
    });
}
