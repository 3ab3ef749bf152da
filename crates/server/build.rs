//! Builds anew when the page was built anew: its files are in the program, and their names change.

use std::path::Path;

fn main() {
    let page = Path::new("../../web/dist");
    if page.parent().is_some_and(Path::is_dir) {
        // Cargo takes a folder that is not there for one that always changes.
        std::fs::create_dir_all(page).ok();
        println!("cargo:rerun-if-changed={}", page.display());
    }
}
