//! Every normative statement of MQTT 5.0 and of 3.1.1 that binds a server has tests, or a reason why it cannot apply.
//! `conformance.toml` lists them; this file checks that the list is complete and that the tests exist.

#![expect(
    clippy::unwrap_used,
    reason = "clippy exempts the tests, but not what they share"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The number of statements in each section of MQTT 5.0, as its appendix B lists them.
const STATEMENTS: [(&str, u32); 56] = [
    ("1.5.4", 3),
    ("1.5.5", 1),
    ("1.5.7", 1),
    ("2.1.3", 1),
    ("2.2.1", 5),
    ("2.2.2", 1),
    ("3.1.0", 2),
    ("3.1.2", 30),
    ("3.1.3", 12),
    ("3.1.4", 6),
    ("3.2.0", 2),
    ("3.2.2", 22),
    ("3.3.1", 13),
    ("3.3.2", 20),
    ("3.3.4", 10),
    ("3.4.2", 3),
    ("3.5.2", 3),
    ("3.6.1", 1),
    ("3.6.2", 3),
    ("3.7.2", 3),
    ("3.8.1", 1),
    ("3.8.3", 5),
    ("3.8.4", 8),
    ("3.9.2", 2),
    ("3.9.3", 2),
    ("3.10.1", 1),
    ("3.10.3", 2),
    ("3.10.4", 6),
    ("3.11.2", 2),
    ("3.11.3", 2),
    ("3.12.4", 1),
    ("3.14.0", 1),
    ("3.14.1", 1),
    ("3.14.2", 4),
    ("3.14.4", 3),
    ("3.15.1", 1),
    ("3.15.2", 3),
    ("4.1.0", 2),
    ("4.2.0", 1),
    ("4.3.1", 1),
    ("4.3.2", 5),
    ("4.3.3", 13),
    ("4.4.0", 2),
    ("4.5.0", 2),
    ("4.6.0", 6),
    ("4.7.0", 1),
    ("4.7.1", 2),
    ("4.7.2", 1),
    ("4.7.3", 4),
    ("4.8.2", 6),
    ("4.9.0", 3),
    ("4.12.0", 7),
    ("4.12.1", 2),
    ("4.13.1", 1),
    ("4.13.2", 1),
    ("6.0.0", 4),
];

/// The number of statements in each section of MQTT 3.1.1.
const STATEMENTS_311: [(&str, u32); 39] = [
    ("1.5.3", 3),
    ("2.2.2", 2),
    ("2.3.1", 7),
    ("3.1.0", 2),
    ("3.1.2", 24),
    ("3.1.3", 11),
    ("3.1.4", 5),
    ("3.2.0", 1),
    ("3.2.2", 6),
    ("3.3.1", 12),
    ("3.3.2", 3),
    ("3.3.4", 1),
    ("3.3.5", 2),
    ("3.6.1", 1),
    ("3.8.1", 1),
    ("3.8.3", 4),
    ("3.8.4", 6),
    ("3.9.3", 2),
    ("3.10.1", 1),
    ("3.10.3", 2),
    ("3.10.4", 6),
    ("3.12.4", 1),
    ("3.14.1", 1),
    ("3.14.4", 3),
    ("4.1.0", 2),
    ("4.3.1", 1),
    ("4.3.2", 2),
    ("4.3.3", 2),
    ("4.4.0", 1),
    ("4.5.0", 2),
    ("4.6.0", 6),
    ("4.7.1", 3),
    ("4.7.2", 1),
    ("4.7.3", 4),
    ("4.8.0", 2),
    ("6.0.0", 4),
    ("7.0.0", 2),
    ("7.1.1", 1),
    ("7.1.2", 1),
];

/// The first number in sections of MQTT 5.0 that do not begin with 1.
const FIRST_OF: [(&str, u32); 1] = [("2.2.1", 2)];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Statement {
    binds: Binds,
    says: String,
    #[serde(default)]
    tests: Vec<String>,
    not_applicable: Option<String>,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Binds {
    Client,
    Server,
    Both,
}

/// The statements by identifier. A duplicate identifier is an error of the file.
fn statements() -> BTreeMap<String, Statement> {
    let text = fs::read_to_string(tests_folder().join("conformance.toml")).unwrap();
    toml::from_str(&text).unwrap()
}

#[test]
fn every_statement_has_a_row() {
    let of_5 = STATEMENTS.into_iter().flat_map(|(section, count)| {
        let first = FIRST_OF.iter().find(|(known, _)| *known == section);
        let first = first.map_or(1, |&(_, first)| first);
        (first..first + count).map(move |number| format!("MQTT-{section}-{number}"))
    });
    let of_311 = STATEMENTS_311.into_iter().flat_map(|(section, count)| {
        (1..=count).map(move |number| format!("3.1.1/MQTT-{section}-{number}"))
    });
    let expected: BTreeSet<String> = of_5.chain(of_311).collect();
    let rows: BTreeSet<String> = statements().into_keys().collect();
    let missing: Vec<_> = expected.difference(&rows).collect();
    let unknown: Vec<_> = rows.difference(&expected).collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
    assert!(unknown.is_empty(), "not in the specification: {unknown:?}");
}

#[test]
fn each_statement_for_a_server_has_a_test_or_a_reason() {
    for (id, statement) in statements() {
        assert!(!statement.says.is_empty(), "{id} says nothing");
        let has_reason = statement
            .not_applicable
            .is_some_and(|reason| !reason.is_empty());
        let has_test = !statement.tests.is_empty();
        assert!(
            !(has_test && has_reason),
            "{id} has both a test and a reason"
        );
        let needs_one = statement.binds != Binds::Client;
        assert!(
            !needs_one || has_test || has_reason,
            "{id} has neither test nor reason"
        );
    }
}

#[test]
fn every_named_test_exists() {
    let mut sources = BTreeMap::new();
    let [of_5, of_311] = ["mqtt5-packets.tsv", "mqtt311-packets.tsv"].map(packets);
    let mut wrong = Vec::new();
    for (id, statement) in statements() {
        for test in statement.tests {
            let exists = match test.rsplit_once("::") {
                Some(("packet", name)) => of_5.contains(name),
                Some(("packet311", name)) => of_311.contains(name),
                Some((module, name)) => {
                    let source = sources
                        .entry(module.to_owned())
                        .or_insert_with(|| source(module));
                    is_test(source, name)
                }
                None => false,
            };
            if !exists {
                wrong.push(format!("{id}: {test}"));
            }
        }
    }
    assert!(wrong.is_empty(), "no such test: {wrong:#?}");
}

/// The comment of a test and this table name the same statements, so a change of one requires a change of the other.
#[test]
fn the_row_of_a_statement_lists_every_test_that_names_it() {
    let statements = statements();
    let mut wrong = Vec::new();
    for module in ["engine", "packets"].into_iter().flat_map(modules) {
        let source = source(&module);
        let mut lines = source.lines();
        while let Some(line) = lines.next() {
            let Some(ids) = line.trim().strip_prefix("#[test] // ") else {
                continue;
            };
            let name = lines.next().unwrap_or_default();
            let name = name
                .trim()
                .trim_start_matches("fn ")
                .trim_end_matches("() {");
            let test = format!("{module}::{name}");
            for id in ids.split(", ").filter(|id| id.contains("MQTT-")) {
                let row = statements.get(id);
                if !row.is_some_and(|statement| statement.tests.contains(&test)) {
                    wrong.push(format!("{id}: {test}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "not in conformance.toml: {wrong:#?}");
}

/// The names of the packets in a table.
fn packets(table: &str) -> BTreeSet<String> {
    let table = fs::read_to_string(tests_folder().join(table)).unwrap();
    let names = table.lines().filter_map(|row| row.split('\t').nth(2));
    names.map(str::to_owned).collect()
}

fn tests_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// The source of `engine::connect`, which is `engine/connect.rs`; of `model`, which is `model/main.rs`; of
/// `front::websocket`, which is a test of the front.
fn source(module: &str) -> String {
    let tests = match module.strip_prefix("front::") {
        Some(_) => tests_folder().join("../../front/tests"),
        None => tests_folder(),
    };
    let module = module.trim_start_matches("front::").replace("::", "/");
    let file = tests.join(format!("{module}.rs"));
    let folder = tests.join(module).join("main.rs");
    fs::read_to_string(file)
        .or_else(|_| fs::read_to_string(folder))
        .unwrap_or_default()
}

fn is_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let head = format!("fn {name}(");
    lines.iter().enumerate().any(|(at, line)| {
        line.trim_start_matches("async ").starts_with(&head)
            && lines[..at]
                .iter()
                .rev()
                .take_while(|line| line.starts_with('#'))
                .any(|line| line.starts_with("#[test]") || line.contains("::test"))
    })
}

/// The modules of a folder (`engine::connect`), or the one file.
fn modules(of: &str) -> Vec<String> {
    let Ok(files) = fs::read_dir(tests_folder().join(of)) else {
        return vec![of.to_owned()];
    };
    files
        .filter_map(|file| {
            let name = file.unwrap().file_name().into_string().unwrap();
            Some(format!("{of}::{}", name.strip_suffix(".rs")?))
        })
        .collect()
}
