//! Documents that say what is true: commands that exist, links that lead somewhere, decisions that are complete.

use crate::rust::{is_word, split};
use crate::tree::{File, Finding, Tree};

/// Fails for a command, verb or flag that does not exist, a dead link, and a decision without its four parts.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let interface = Interface::of(tree);
    let mut findings = decisions(tree);
    for page in tree.with_extension("md") {
        for (line, code) in code_in(&page.text) {
            findings.extend(
                interface
                    .faults(&code)
                    .into_iter()
                    .map(|what| page.finding(line, what, "Name what the code has, or write the code first")),
            );
        }
        findings.extend(dead_links(tree, page));
    }
    findings
}

/// What the Makefile and the command line understand.
struct Interface {
    verbs: Vec<String>,
    commands: Vec<String>,
    flags: Vec<String>,
}

impl Interface {
    fn of(tree: &Tree) -> Interface {
        let makefile = tree.file("Makefile").map_or("", |file| &file.text);
        let verb = |line: &str| {
            let (verb, _) = line.split_once(':')?;
            verb.chars().all(|c| c.is_ascii_lowercase() || c == '-').then(|| verb.to_owned())
        };
        let mut interface =
            Interface { verbs: makefile.lines().filter_map(verb).collect(), commands: Vec::new(), flags: Vec::new() };
        for file in tree.with_extension("rs").filter(|file| file.path.starts_with("crates/cli/src/")) {
            let code = split(&file.text).code;
            interface.commands.extend(variants_of_subcommands(&code));
            // Every name before a colon may be a flag's field: generous, but a flag that nobody wrote is still found.
            let fields = code.lines().filter_map(|line| line.split_once(':').map(|(name, _)| name));
            let last_word = |name: &str| name.rsplit(|c| !is_word(c)).next().map(|word| word.replace('_', "-"));
            interface.flags.extend(fields.filter_map(last_word));
        }
        interface.flags.extend(["help".to_owned(), "version".to_owned()]);
        interface
    }

    /// What a line of code in a document names that does not exist.
    fn faults(&self, code: &str) -> Vec<String> {
        let mut faults = Vec::new();
        let words: Vec<&str> = code.split_whitespace().collect();
        let program = |word: &str| word.rsplit('/').next() == Some("glioscope");
        for pair in words.windows(2).filter(|pair| is_plain(pair[1])) {
            if pair[0] == "make" && !self.verbs.iter().any(|verb| verb == pair[1]) {
                faults.push(format!("`make {}` does not exist", pair[1]));
            }
            if program(pair[0]) && !self.commands.iter().any(|command| command == pair[1]) {
                faults.push(format!("`glioscope {}` does not exist", pair[1]));
            }
        }
        if words.iter().any(|word| program(word)) {
            let flags = words.iter().filter_map(|word| word.trim_matches(['[', ']', '.', ',']).strip_prefix("--"));
            let names = flags.map(|flag| flag.split(['=', ']']).next().unwrap_or(flag)).filter(|flag| is_plain(flag));
            faults.extend(
                names
                    .filter(|name| !self.flags.iter().any(|flag| flag == name))
                    .map(|name| format!("no flag `--{name}`")),
            );
        }
        faults
    }
}

fn is_plain(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase()) && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
}

/// The command names of every enum that derives `Subcommand`: its variants, in kebab case.
fn variants_of_subcommands(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("Subcommand") {
        let Some(body) = code[at..].find("enum ").map(|from| &code[at + from..]) else { continue };
        let is_derive = code[..at].rfind("#[derive(").is_some_and(|start| !code[start..at].contains(')'));
        let (Some(open), true) = (body.find('{'), is_derive) else { continue };
        let mut depth = 0_usize;
        let mut name = String::new();
        for c in body[open..].chars() {
            match c {
                '{' | '(' | '[' | '<' => depth += 1,
                '}' | ')' | ']' | '>' => depth = depth.saturating_sub(1),
                _ if depth == 1 && is_word(c) => name.push(c),
                _ => {}
            }
            if !is_word(c) && !name.is_empty() {
                found.push(kebab(&std::mem::take(&mut name)));
            }
            if depth == 0 {
                break;
            }
        }
    }
    found
}

fn kebab(variant: &str) -> String {
    let mut name = String::new();
    for c in variant.chars() {
        if c.is_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.extend(c.to_lowercase());
    }
    name
}

/// The code of a page: lines of fenced blocks and spans in backticks, with their lines.
fn code_in(page: &str) -> Vec<(usize, String)> {
    let mut code = Vec::new();
    let mut in_block = false;
    for (at, line) in page.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            code.push((at + 1, line.split(" #").next().unwrap_or(line).to_owned()));
        } else {
            code.extend(line.split('`').skip(1).step_by(2).map(|span| (at + 1, span.to_owned())));
        }
    }
    code
}

/// Relative links and pictures of a page that name no file and no folder.
fn dead_links(tree: &Tree, page: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, line) in page.text.lines().enumerate() {
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#', ' ']).next());
        for target in
            targets.filter(|target| !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:"))
        {
            let path = resolved(&page.path, target);
            let exists = tree.files.iter().any(|file| file.path == path || file.path.starts_with(&format!("{path}/")));
            if !exists {
                findings.push(page.finding(at + 1, format!("link to `{target}` leads nowhere"), "Mend or remove it"));
            }
        }
    }
    findings
}

/// The path from the root that a link on the page `from` names.
fn resolved(from: &str, target: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

const PARTS: [&str; 4] = ["## Context", "## Choice", "## Rejected", "## When to revisit"];

/// Decisions are numbered without gaps, and each has its four parts.
fn decisions(tree: &Tree) -> Vec<Finding> {
    let notes = tree.files.iter().filter_map(|file| {
        let name = file.path.strip_prefix("docs/decisions/")?;
        name.as_bytes()[0].is_ascii_digit().then_some((name, file))
    });
    let mut findings = Vec::new();
    for (at, (name, file)) in notes.enumerate() {
        let number = format!("{:04}-", at + 1);
        if !name.starts_with(&number) {
            let remedy = "Number decisions without gaps, and never change a number";
            findings.push(file.finding(1, format!("the next number is {number}"), remedy));
        }
        for part in PARTS.iter().filter(|part| !file.text.contains(*part)) {
            let remedy = "A decision says context, choice, what was rejected, when to revisit";
            findings.push(file.finding(1, format!("no `{part}`"), remedy));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARGS: &str = "#[derive(Debug, Subcommand)]\nenum Command {\n    /// Looks.\n    Inspect(InspectArgs),\n    \
        Bench {\n        #[arg(long)]\n        patch_size: usize,\n    },\n    ModelCard,\n}\n";

    fn faults(page: &str) -> Vec<String> {
        let files = [("Makefile", "run: build\n\techo\n"), ("crates/cli/src/args.rs", ARGS), ("README.md", page)];
        check(&Tree::of(&files)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn commands_verbs_and_flags_that_exist_pass() {
        let page = "`make run`, then `glioscope inspect PATH`:\n```sh\ntarget/release/glioscope bench --patch-size 3 # a demo\n\
            glioscope model-card --help\n```\nWe make things; glioscope things too.\n";
        assert!(faults(page).is_empty(), "{:?}", faults(page));
    }

    #[test]
    fn what_does_not_exist_is_found() {
        assert_eq!(faults("`make fly`").len(), 1, "a verb");
        assert_eq!(faults("```\nglioscope serve\n```").len(), 1, "a command");
        assert_eq!(faults("`glioscope bench [--fast]`").len(), 1, "a flag");
    }

    #[test]
    fn links_are_followed_from_the_page() {
        let tree = Tree::of(&[
            ("docs/a.md", "[b](../README.md#x) [c](d/) [e](https://e) [f](f.md)"),
            ("docs/d/g", ""),
            ("README.md", ""),
        ]);
        let found = check(&tree);
        assert_eq!(found.len(), 1, "only f.md is missing: {found:?}");
    }

    #[test]
    fn decisions_are_complete_and_numbered() {
        let whole = PARTS.join("\n");
        let tree = Tree::of(&[("docs/decisions/0001-a.md", &whole), ("docs/decisions/0003-b.md", "## Context\n")]);
        assert_eq!(check(&tree).len(), 4, "a wrong number and three missing parts");
    }
}
