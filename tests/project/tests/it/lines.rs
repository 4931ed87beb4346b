//! The width of lines. rustfmt leaves a whole closure as it is if it contains a line that is too long, and says
//! nothing.

use project_checks::texts;

/// As rustfmt.toml has it.
const WIDTH: usize = 120;

/// A row of a table in documentation cannot be broken.
fn is_table_row(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("/// |") || line.starts_with("//! |")
}

#[test]
fn no_line_is_too_long() {
    let mut long = Vec::new();
    for (path, text) in texts("rs") {
        for (number, line) in (1..).zip(text.lines()) {
            let width = line.chars().count();
            if width > WIDTH && !is_table_row(line) {
                long.push(format!("{}:{number} has {width} columns", path.display()));
            }
        }
    }
    assert!(long.is_empty(), "more than {WIDTH} columns:\n{}", long.join("\n"));
}
