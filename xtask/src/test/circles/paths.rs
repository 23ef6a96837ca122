//! Reads the paths in the code of a file.

/// A path in a file's code.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) path: Vec<String>,
    /// The name that a `use` gives it.
    pub(super) import: Option<String>,
}

/// All paths that begin in this crate, and those of each `use`.
pub(super) fn named(text: &str) -> Vec<Named> {
    let code = code(text);
    let tokens = tokens(&code);
    let mut all = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let is_use = tokens[at] == "use";
        let begins = ["crate", "super", "self"].contains(&tokens[at])
            && tokens.get(at + 1) == Some(&"::")
            && !(at > 0 && ["::", "$"].contains(&tokens[at - 1]));
        at += usize::from(!begins);
        if is_use || begins {
            at = tree(&tokens, at, &[], is_use, &mut all).max(at);
        }
    }
    all
}

/// Reads one path, or all of a group in braces. Returns the place after it.
fn tree(t: &[&str], mut at: usize, prefix: &[String], is_use: bool, all: &mut Vec<Named>) -> usize {
    let mut path = prefix.to_vec();
    loop {
        match t.get(at) {
            Some(&"{") if is_use => {
                at += 1;
                while t.get(at).is_some_and(|it| *it != "}") {
                    at = tree(t, at, &path, is_use, all).max(at);
                    at += usize::from(t.get(at) == Some(&","));
                }
                return at + 1;
            }
            Some(name) if name.starts_with(is_word) => {
                if *name != "self" || path.is_empty() {
                    path.push((*name).to_owned());
                }
                at += 1;
            }
            Some(&"*") if is_use => at += 1,
            _ => break,
        }
        if t.get(at) != Some(&"::") {
            break;
        }
        at += 1;
    }
    let renamed = is_use && t.get(at) == Some(&"as");
    at += 2 * usize::from(renamed);
    if let Some(last) = path.last() {
        let name = if renamed { t[at - 1] } else { last };
        let import = is_use.then(|| name.to_owned());
        all.push(Named { path, import });
    }
    at
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if is_word(first) => rest.find(|it| !is_word(it)).unwrap_or(rest.len()),
            _ if rest.starts_with("::") => 2,
            _ => first.len_utf8(),
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

/// The text without comments and without items for tests. rustfmt has put the end of an item below its beginning.
fn code(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let trimmed = line.trim_start();
        if !(trimmed.starts_with("#[cfg(") && trimmed.contains("test")) {
            code.push_str(line.split("//").next().unwrap_or_default());
            code.push('\n');
            continue;
        }
        let item = lines.find(|it| !it.trim_start().starts_with('#'));
        if item.is_some_and(|it| !it.ends_with([';', '}'])) {
            let end = format!("{}}}", &line[..line.len() - trimmed.len()]);
            lines.find(|it| it.starts_with(&end));
        }
    }
    code
}
