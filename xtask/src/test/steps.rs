//! The steps of `cargo xtask test`: all checks, cheap ones first.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::browser;
use crate::deny;
use crate::embed;
use crate::error::Error;
use crate::interop;
use crate::loadtest;
use crate::msrv;
use crate::npm;
use crate::page;
use crate::setup::{self, Needs, Tools};
use crate::shell;
use crate::sizes;

use super::circles;
use super::purity;

/// Variable with the hash of the tested commit. The simulation derives seeds from it.
const COMMIT: &str = "TABMQ_COMMIT";

/// One check.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// The statement that is true if the step passes.
    pub(crate) promise: &'static str,
    /// The expected duration.
    pub(super) takes: &'static str,
    pub(super) needs: Needs,
    /// Whether it needs the output of the step `build`.
    pub(super) uses_build: bool,
    pub(super) run: fn(&Tools, &[OsString]) -> Result<(), Error>,
}

pub(crate) const STEPS: [Step; 17] = [
    Step {
        name: "fmt",
        promise: "the code is formatted",
        takes: "2 s",
        needs: Needs::Cargo,
        uses_build: false,
        run: |_, _| shell::run(&mut shell::cargo(["fmt", "--all", "--check"])),
    },
    Step {
        name: "clippy",
        promise: "clippy finds nothing in any crate and its tests",
        takes: "1 minute at first",
        needs: Needs::Cargo,
        uses_build: false,
        run: |_, _| {
            shell::run(&mut shell::cargo([
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ]))
        },
    },
    Step {
        name: "clippy-wasm",
        promise: "clippy finds nothing in the crates for the browser and their tests",
        takes: "1 minute at first",
        needs: Needs::WasmTarget,
        uses_build: false,
        run: |tools, _| {
            let packages = [
                "clippy",
                "-p",
                "tabmq",
                "-p",
                "tabmq-worker",
                "-p",
                "e2e-page",
                "-p",
                "tabmq-example-yew",
                "--all-targets",
            ];
            shell::run(tools.wasm_cargo(packages).args(["--", "-D", "warnings"]))
        },
    },
    Step {
        name: "check-wasm",
        promise: "the engines compile for the browser by themselves",
        takes: "10 s",
        needs: Needs::WasmTarget,
        uses_build: false,
        run: |tools, _| shell::run(&mut tools.wasm_cargo(["check", "-p", "broker", "-p", "tab"])),
    },
    Step {
        name: "purity",
        promise: "the engines depend on no browser crate on any platform",
        takes: "2 s",
        needs: Needs::Cargo,
        uses_build: false,
        run: |_, _| purity::check(),
    },
    Step {
        name: "circles",
        promise: "no files of a crate depend on each other in a circle that circles.txt does not allow",
        takes: "1 s",
        needs: Needs::Cargo,
        uses_build: false,
        run: |_, _| circles::check(),
    },
    Step {
        name: "deny",
        promise: "all dependencies conform to deny.toml: licenses, sources, versions, and advisories if the network allows",
        takes: "20 s",
        needs: Needs::Cargo,
        uses_build: false,
        run: |_, _| deny::test(),
    },
    Step {
        name: "msrv",
        promise: "the workspace compiles with the `rust-version` of Cargo.toml, if rustup has it or can install it",
        takes: "3 minutes at first",
        needs: Needs::Cargo,
        uses_build: false,
        run: |_, _| msrv::test(),
    },
    Step {
        name: "native",
        promise: "all tests pass that need neither a browser nor other MQTT clients",
        takes: "2 minutes at first",
        needs: Needs::Cargo,
        uses_build: false,
        run: |_, arguments| {
            let packages = [
                "test",
                "--workspace",
                "--exclude",
                "e2e",
                "--exclude",
                "front",
                "--",
            ];
            let mut test = shell::cargo(packages);
            if let Some(commit) = commit() {
                test.env(COMMIT, commit);
            }
            shell::run(test.args(arguments))
        },
    },
    Step {
        name: "interop",
        promise: "paho-mqtt, MQTT.js and mosquitto's clients work with the engine",
        takes: "3 minutes at first",
        needs: Needs::Cargo,
        uses_build: false,
        run: |_, arguments| interop::test(arguments),
    },
    Step {
        name: "doc",
        promise: "the documentation builds without a warning",
        takes: "30 s",
        needs: Needs::Cargo,
        uses_build: false,
        run: |_, _| {
            let mut doc = shell::cargo(["doc", "--workspace", "--no-deps"]);
            shell::run(doc.env("RUSTDOCFLAGS", "-D warnings"))
        },
    },
    Step {
        name: "build",
        promise: "the app and its worker build in release mode",
        takes: "2 minutes at first",
        needs: Needs::Trunk,
        uses_build: false,
        run: |tools, _| shell::run(&mut tools.trunk_build()),
    },
    Step {
        name: "sizes",
        promise: "the sizes of the files that a visitor loads are reported",
        takes: "1 s",
        needs: Needs::Trunk,
        uses_build: true,
        run: |_, _| sizes::report(),
    },
    Step {
        name: "embed",
        promise: "the npm package builds, and its types, contents and sizes are right",
        takes: "2 minutes at first",
        needs: Needs::Trunk,
        uses_build: true,
        run: |_, _| embed::check(),
    },
    Step {
        name: "edge",
        promise: "the tests of the crate `worker` pass in a real browser, in a worker and in a page",
        takes: "1 minute at first",
        needs: Needs::Browser,
        uses_build: false,
        run: test_edge,
    },
    Step {
        name: "browser",
        promise: "all tests pass in a real browser with real tabs",
        takes: "3 minutes at first",
        needs: Needs::Browser,
        uses_build: true,
        run: test_in_browser,
    },
    Step {
        name: "load",
        promise: "32 tabs under load lose nothing while tabs are replaced and brokers killed, and their memory does not grow",
        takes: "3 minutes",
        needs: Needs::Browser,
        uses_build: false,
        run: |tools, _| loadtest::test(tools),
    },
];

/// The commit of the repository, unless the environment names another one.
fn commit() -> Option<String> {
    if std::env::var_os(COMMIT).is_some() {
        return None;
    }
    let commit = shell::ask(shell::command("git").args(["rev-parse", "HEAD"]))?;
    Some(commit.trim().to_owned())
}

/// Runs the tests of the crate `worker` without the app: those of the edge in a worker, those of handles and hooks in a page.
fn test_edge(tools: &Tools, arguments: &[OsString]) -> Result<(), Error> {
    let browser = browser::find()?;
    let mut test = tools.wasm_cargo(["test", "-p", "tabmq-worker", "--features", "yew"]);
    test.args(["--lib", "--test", "page"]);
    test.arg("--").args(arguments);
    test.env(
        "WASM_BINDGEN_TEST_WEBDRIVER_JSON",
        browser.write_capabilities()?,
    )
    .env("CHROMEDRIVER", browser.chromedriver);
    shell::run(&mut test)
}

fn test_in_browser(tools: &Tools, arguments: &[OsString]) -> Result<(), Error> {
    let browser = browser::find()?;
    let page = page::build(tools)?;
    let examples = embed::examples(tools)?;
    let axe = ensure_axe()?;
    let mut test = shell::cargo(["test", "-p", "e2e", "--"]);
    test.args(arguments);
    test.env("TABMQ_DIST", setup::dist())
        .env("TABMQ_PAGE", page)
        .env("TABMQ_EXAMPLES", examples)
        .env("TABMQ_AXE", axe)
        .envs(browser.variables());
    shell::run(&mut test)
}

/// Finds or installs the script that checks a page's accessibility.
fn ensure_axe() -> Result<PathBuf, Error> {
    let folder = shell::root().join("e2e");
    if !npm::is_installed(&folder) {
        npm::ensure()?;
        let what = "axe-core, which checks the accessibility of a page";
        npm::install(&folder, what, "a few seconds, once")?;
    }
    Ok(folder.join("node_modules/axe-core/axe.min.js"))
}
