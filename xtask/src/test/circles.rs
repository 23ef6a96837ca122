//! Finds files of a crate that depend on each other in a circle.
//!
//! A file depends on another one if its code names an item of it by a path; tests do not count. A folder and its facade may
//! depend on each other: `lane.rs` and `lane/read.rs`, `lib.rs` and all files. `circles.txt` lists the other
//! dependencies that close a circle and are allowed.

mod paths;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

use crate::error::Error;
use crate::shell;

use paths::{Named, named};

/// The allowed dependencies, one in a line: `crate: from -> to, reason`.
const ALLOWED: &str = include_str!("circles.txt");
/// Crates that are no members of the workspace.
const OUTSIDE: [&str; 1] = ["fuzz"];
/// Longest chain of re-exports.
const DEPTH: u8 = 8;

/// The names of a module's path; none for the root.
type Module = Vec<String>;
type Sources = BTreeMap<Module, Vec<Named>>;
/// The modules that each file's module depends on.
type Graph = BTreeMap<Module, BTreeSet<Module>>;

pub(super) fn check() -> Result<(), Error> {
    let manifest = shell::root().join("Cargo.toml");
    let text = fs::read_to_string(&manifest).map_err(Error::at(&manifest))?;
    let members = text.lines().find(|line| line.starts_with("members = "));
    let members = members.unwrap_or_default().split('"').skip(1).step_by(2);
    let mut findings = Vec::new();
    for name in members.chain(OUTSIDE) {
        let src = shell::root().join(name).join("src");
        let mut sources = Sources::new();
        read(&src, &src, &mut sources).map_err(Error::at(&src))?;
        let lines = ALLOWED.lines().filter_map(|line| line.strip_prefix(name));
        let allowed: Vec<_> = lines.filter_map(allowed).collect();
        let found = judge(graph(&sources), &allowed);
        findings.extend(found.into_iter().map(|it| format!("{name}: {it}")));
    }
    match findings.is_empty() {
        true => Ok(()),
        false => Err(Error::Circles { findings }),
    }
}

/// The rest of a line of the list, after the name of the crate.
fn allowed(line: &str) -> Option<(Module, Module)> {
    let (edge, _reason) = line.strip_prefix(": ")?.split_once(", ")?;
    let module = |text: &str| text.split("::").map(str::to_owned).collect();
    edge.split_once(" -> ").map(|(a, b)| (module(a), module(b)))
}

fn read(src: &Path, folder: &Path, sources: &mut Sources) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read(src, &path, sources)?;
        } else if path.extension().is_some_and(|it| it == "rs") {
            let place = path.strip_prefix(src).unwrap_or(&path).with_extension("");
            let names = place.iter().map(|it| it.to_string_lossy().into_owned());
            let mut module: Module = names.collect();
            module.pop_if(|it| ["lib", "main", "mod"].contains(&it.as_str()));
            let named = named(&fs::read_to_string(&path)?);
            sources.entry(module).or_default().extend(named);
        }
    }
    Ok(())
}

fn graph(sources: &Sources) -> Graph {
    let edges = sources.iter().map(|(from, all)| {
        let to = all
            .iter()
            .filter_map(|it| file_of(&it.path, from, sources, DEPTH));
        let to = to.filter(|to| !to.starts_with(from) && !from.starts_with(to));
        (from.clone(), to.collect())
    });
    edges.collect()
}

/// The module whose file has the item that a path in the file of `from` names; none if another crate has it.
fn file_of(path: &[String], from: &Module, sources: &Sources, depth: u8) -> Option<Module> {
    // Each program in `bin` is a crate of its own.
    let root = if from.first().is_some_and(|it| it == "bin") {
        2
    } else {
        0
    };
    let supers = path.iter().take_while(|it| *it == "super").count();
    let (base, skipped) = match path.first()?.as_str() {
        "crate" => (root, 1),
        "self" => (from.len(), 1),
        "super" => (from.len().checked_sub(supers)?, supers),
        _ => (from.len(), 0),
    };
    let mut module = from[..base.min(from.len())].to_vec();
    let mut names = path[skipped..].iter().peekable();
    while let Some(name) = names.peek() {
        module.push((*name).clone());
        if !sources.contains_key(&module) {
            module.pop();
            break;
        }
        names.next();
    }
    if skipped == 0 && module == *from {
        return None;
    }
    let import = names.next().and_then(|name| {
        let mut all = sources.get(&module)?.iter();
        all.find(|it| it.import.as_ref() == Some(name) && it.path.len() > 1)
    });
    match import {
        Some(it) if depth > 0 => {
            let rest = it.path.iter().chain(names).cloned().collect::<Vec<_>>();
            file_of(&rest, &module, sources, depth - 1)
        }
        _ => Some(module),
    }
}

/// The circles that are not allowed, and the allowed dependencies that close none.
fn judge(mut graph: Graph, allowed: &[(Module, Module)]) -> Vec<String> {
    let mut findings = Vec::new();
    let remove = |graph: &mut Graph, from: &Module, to: &Module| {
        graph.get_mut(from).is_some_and(|it| it.remove(to))
    };
    let listed: Vec<_> = allowed
        .iter()
        .map(|(a, b)| (a, b, remove(&mut graph, a, b)))
        .collect();
    for (from, to, exists) in listed {
        if exists && way(&graph, to, from).is_some() {
            continue;
        }
        if exists {
            graph.entry(from.clone()).or_default().insert(to.clone());
        }
        let (from, to) = (from.join("::"), to.join("::"));
        findings.push(format!(
            "{from} -> {to} closes no circle: remove it from circles.txt"
        ));
    }
    let shortest = |graph: &Graph| {
        let edges = graph
            .iter()
            .flat_map(|(a, all)| all.iter().map(move |b| (a, b)));
        let circles = edges.filter_map(|(a, b)| way(graph, b, a));
        circles.min_by_key(Vec::len)
    };
    while let Some(circle) = shortest(&graph) {
        let (first, last) = (circle[0].clone(), circle[circle.len() - 1].clone());
        let names: Vec<_> = circle
            .iter()
            .chain([&first])
            .map(|it| it.join("::"))
            .collect();
        findings.push(format!("circle {}", names.join(" -> ")));
        remove(&mut graph, &last, &first);
    }
    findings
}

/// The shortest way along dependencies.
fn way(graph: &Graph, from: &Module, to: &Module) -> Option<Vec<Module>> {
    let mut ways = VecDeque::from([vec![from.clone()]]);
    let mut seen = BTreeSet::from([from]);
    while let Some(way) = ways.pop_front() {
        let last = way.last()?;
        if last == to {
            return Some(way);
        }
        for next in graph.get(last)? {
            if seen.insert(next) {
                ways.push_back(way.iter().chain([next]).cloned().collect());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(files: &[(&str, &str)], allowed_line: &str) -> Vec<String> {
        let module = |name: &str| name.split_terminator("::").map(str::to_owned).collect();
        let sources = files.iter().map(|(name, text)| (module(name), named(text)));
        judge(
            graph(&sources.collect()),
            &Vec::from_iter(allowed(allowed_line)),
        )
    }

    #[test]
    fn a_circle_is_found_through_groups_re_exports_and_plain_paths() {
        let files = [
            ("", "mod a; mod b; mod c;\npub use b::{B as Bee, other};"),
            ("a", "use crate::{\n    Bee,\n};"),
            ("b", "use super::c::C;"),
            ("c", "fn f() { crate::a::x::<u8>() }"),
        ];
        assert_eq!(judged(&files, ""), ["circle b -> c -> a -> b"]);
    }

    #[test]
    fn facades_tests_comments_and_other_crates_close_no_circle() {
        let files = [
            ("", "mod a; mod b;\npub use other::{b, C};"),
            ("a", "use crate::b::B;\nmod x;\npub use x::X;"),
            ("a::x", "use super::*;\nuse crate::{C, a::Y};"),
            (
                "b",
                "// crate::a::A\n#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}",
            ),
        ];
        assert_eq!(judged(&files, ""), [""; 0]);
    }

    #[test]
    fn an_allowed_dependency_must_still_close_a_circle() {
        let circle = [("a", "use crate::b::B;"), ("b", "use crate::a::A;")];
        assert_eq!(judged(&circle, ": b -> a, reason"), [""; 0]);
        let cut = [circle[0], ("b", "")];
        let stale = |edge| {
            vec![format!(
                "{edge} closes no circle: remove it from circles.txt"
            )]
        };
        assert_eq!(judged(&cut, ": b -> a, reason"), stale("b -> a"));
        assert_eq!(judged(&cut, ": a -> b, reason"), stale("a -> b"));
    }
}
