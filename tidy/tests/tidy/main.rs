//! The watchman: reads the whole repository and holds its rules.
//!
//! One test a rule. A finding says file and line, what is wrong, and what to do.
//! Each rule carries tests of its own that prove that it can fail.

mod tree; // what is read

mod rust; // Rust text taken apart

mod arrows;
mod docs;
mod front;
mod leftovers;
mod lengths;
mod lints;
mod names;
mod unsafety;
mod weight;

use tree::{Finding, Tree};

fn list(findings: &[Finding]) -> String {
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    format!("\n  {}\n", lines.join("\n  "))
}

fn hold(findings: &[Finding]) {
    assert!(findings.is_empty(), "{}", list(findings));
}

#[test]
fn crates_know_only_whom_the_arrows_allow() {
    hold(&arrows::check(&Tree::read()));
}

#[test]
fn lint_tables_are_equal_but_for_listed_differences() {
    hold(&lints::check(&Tree::read()));
}

#[test]
fn unsafe_stays_in_its_files() {
    let tree = Tree::read();
    hold(&unsafety::check(&tree));
    let unused = unsafety::unused(&tree);
    assert!(unused.is_empty(), "no `unsafe` is left in {unused:?}: take them off the list in unsafety.rs");
}

#[test]
fn names_say_something() {
    hold(&names::check(&Tree::read()));
}

#[test]
fn files_hold_one_idea() {
    let lengths = lengths::check(&Tree::read());
    if !lengths.warnings.is_empty() {
        eprintln!("tidy warns:{}", list(&lengths.warnings));
    }
    hold(&lengths.failures);
}

#[test]
fn nothing_is_left_lying_about() {
    hold(&leftovers::check(&Tree::read()));
}

#[test]
fn strangers_find_commands_and_licences() {
    hold(&front::check(&Tree::read()));
}

#[test]
fn documents_name_only_what_exists() {
    hold(&docs::check(&Tree::read()));
}

#[test]
fn no_scans_and_nothing_heavy() {
    hold(&weight::check(&Tree::read()));
}
