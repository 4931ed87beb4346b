//! Links between the repository's Markdown files.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use project_checks::{root, texts};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// The names by which GitHub links to the headings of a text.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let mut heading: Option<String> = None;
    for event in Parser::new_ext(text, Options::all()) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(part) | Event::Code(part) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&part);
                }
            }
            Event::End(TagEnd::Heading(_)) => anchors.extend(heading.take().map(|heading| anchor(&heading))),
            _ => {}
        }
    }
    anchors
}

fn anchor(heading: &str) -> String {
    let heading = heading.to_lowercase();
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// What is wrong with a link that stands in the file at `from`.
fn problem(from: &Path, link: &str) -> Option<String> {
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if path.is_empty() {
        root().join(from)
    } else {
        root().join(from.parent()?).join(path)
    };
    if !target.exists() {
        return Some("no such file".to_owned());
    }
    if anchor.is_empty() || target.extension().is_none_or(|is| is != "md") {
        return None;
    }
    let text = fs::read_to_string(&target).unwrap();
    (!anchors(&text).contains(anchor)).then(|| "no such heading".to_owned())
}

#[test]
fn relative_links_lead_somewhere() {
    let mut broken = Vec::new();
    let mut checked = 0;
    // rustdoc checks the pages that are part of the library's documentation
    for (path, text) in texts("md").filter(|(path, _)| !path.starts_with("pgai-sea/src")) {
        for event in Parser::new_ext(&text, Options::all()) {
            let Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) = event else {
                continue;
            };
            if dest_url.contains("://") || dest_url.starts_with("mailto:") {
                continue;
            }
            checked += 1;
            if let Some(problem) = problem(&path, &dest_url) {
                broken.push(format!("{}: {dest_url}: {problem}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(checked > 0, "no file has a link");
}

#[test]
fn a_broken_link_is_seen() {
    let project = Path::new("tests/project/README.md");
    assert_eq!(problem(project, "../../README.md"), None);
    assert_eq!(problem(project, "../../README.md#pgai-sea"), None);
    assert_eq!(problem(project, "nowhere.md").as_deref(), Some("no such file"));
    assert_eq!(
        problem(project, "../../README.md#nowhere").as_deref(),
        Some("no such heading")
    );
}
