//! PDF: its text, and where its pages begin in it.
//!
//! The parser says between which paragraphs a page begins. A paragraph that goes on over pages it joins, and does not
//! say where. Such a page is parsed once more, alone: the joined paragraph ends as the page begins.

use docling::Node;

use crate::document::parsed::PageStart;

/// Around the number of a page, until its place in the Markdown is known.
const MARK: char = '\u{c}';
/// Bytes that are parsed again in all. Whoever parses a page alone reads the whole file.
const MOST_AGAIN: usize = 512 << 20;
/// A paragraph of fewer bytes is not on two pages, or it makes no difference.
const SHORT: usize = 80;

/// Markdown, and where its pages begin.
///
/// # Errors
///
/// A sentence that says what is wrong with the document.
pub(super) fn pdf(bytes: &[u8]) -> Result<(String, Vec<PageStart>), String> {
    let parse = |pages| docling::pdf_text_layer_pages(bytes, "document", pages);
    let mut document = parse(None).map_err(|error| format!("the document (PDF) is damaged or encrypted: {error}"))?;
    if document.nodes.is_empty() {
        return Err("the document (PDF) has no text: it was scanned, or holds only pictures".to_owned());
    }
    let mut left = MOST_AGAIN / bytes.len().max(1);
    let begins = |page| {
        left = left.checked_sub(1)?;
        let nodes = parse(Some((page, page))).ok()?.nodes;
        let mut nodes = nodes.iter().filter(|node| !matches!(node, Node::PageInfo { .. }));
        paragraph(nodes.next()?).map(|text| without_mark(text).trim().to_owned())
    };
    document.nodes = marked(std::mem::take(&mut document.nodes), begins);
    Ok(places(&document.export_to_markdown()))
}

/// Writes the numbers of pages where they begin. `begins` is what a page begins with.
fn marked(nodes: Vec<Node>, mut begins: impl FnMut(usize) -> Option<String>) -> Vec<Node> {
    let mut marked = Vec::with_capacity(nodes.len());
    // the last paragraph, and the pages that began since then
    let (mut last, mut pages) = (None, Vec::new());
    for mut node in nodes {
        if let Node::PageInfo { page_no, .. } = node {
            pages.push(page_no);
            marked.push(Node::Paragraph { text: mark(page_no) });
            continue;
        }
        if let Some(text) = paragraph_mut(&mut node) {
            *text = without_mark(text);
        }
        let next = paragraph(&node);
        if let Some(last) = last.and_then(|place: usize| paragraph_mut(&mut marked[place])) {
            mark_inside(last, &pages, next, &mut begins);
        }
        last = next.is_some().then_some(marked.len());
        pages.clear();
        marked.push(node);
    }
    if let Some(last) = last.and_then(|place| paragraph_mut(&mut marked[place])) {
        mark_inside(last, &pages, None, &mut begins);
    }
    marked
}

/// Writes the numbers of those `pages` into a paragraph that begin in it. `next` is the paragraph after it.
fn mark_inside(
    text: &mut String,
    pages: &[usize],
    next: Option<&str>,
    mut begins: impl FnMut(usize) -> Option<String>,
) {
    if pages.is_empty() || text.len() < SHORT {
        return;
    }
    let mut end = text.len();
    let mut found = Vec::new();
    // the last page's beginning is the end of the text, and what is before it the end of the page before
    for (place, &page) in pages.iter().enumerate().rev() {
        let Some(begin) = begins(page) else { continue };
        let is_its_own =
            place + 1 == pages.len() && next.is_some_and(|next| next.trim_start().starts_with(stem(&begin)));
        if let Some(start) = joint(&text[..end], &begin).filter(|_| !is_its_own) {
            found.push((start, page));
            end = start;
        }
    }
    for (start, page) in found {
        text.insert_str(start, &mark(page));
    }
}

/// Where `begin` stands at the end of `text`, if the two could have been joined. A hyphen at its end is gone where
/// more was joined.
fn joint(text: &str, begin: &str) -> Option<usize> {
    if !begin.starts_with(char::is_lowercase) {
        return None;
    }
    let text = text.trim_end();
    let before = text.strip_suffix(begin).or_else(|| text.strip_suffix(stem(begin)))?;
    (!before.is_empty()).then_some(before.len())
}

fn stem(text: &str) -> &str {
    text.strip_suffix('-').unwrap_or(text)
}

fn paragraph(node: &Node) -> Option<&str> {
    match node {
        Node::Paragraph { text } => Some(text),
        Node::Located { inner, .. } => paragraph(inner),
        _ => None,
    }
}

fn paragraph_mut(node: &mut Node) -> Option<&mut String> {
    match node {
        Node::Paragraph { text } => Some(text),
        Node::Located { inner, .. } => paragraph_mut(inner),
        _ => None,
    }
}

fn mark(page: usize) -> String {
    format!("{MARK}{page}{MARK}")
}

fn without_mark(text: &str) -> String {
    text.replace(MARK, " ")
}

/// Takes the numbers of pages out of the text. A page without text has no place.
fn places(marked: &str) -> (String, Vec<PageStart>) {
    let (mut markdown, mut pages) = (String::with_capacity(marked.len()), Vec::<PageStart>::new());
    for (place, part) in marked.split(MARK).enumerate() {
        if place % 2 == 0 {
            // the blank line after a number has its like before it
            let part = part.strip_prefix("\n\n").unwrap_or(part);
            let part = if markdown.is_empty() { part.trim_start() } else { part };
            markdown.push_str(&super::without_nul(part));
        } else if let Ok(page) = part.parse() {
            let offset = markdown.len();
            pages.retain(|before| before.offset < offset);
            // one that began in a paragraph stands there
            if pages.last().is_none_or(|last| last.page < page) {
                pages.push(PageStart { page, offset });
            }
        }
    }
    markdown.truncate(markdown.trim_end().len());
    pages.retain(|page| page.offset < markdown.len());
    (markdown, pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(page: usize, offset: usize) -> PageStart {
        PageStart { page, offset }
    }

    #[test]
    fn pages_without_text_have_no_place() {
        let text = "\u{c}1\u{c}\n\n\u{c}2\u{c}\n\none\n\ntwo\n\n\u{c}3\u{c}\n\nthree\n\n\u{c}4\u{c}";
        let (markdown, pages) = places(text);
        assert_eq!(markdown, "one\n\ntwo\n\nthree");
        assert_eq!(pages, [page(2, 0), page(3, 10)]);
        // a page whose text is a number
        let (markdown, pages) = places("\u{c}1\u{c}\n\none\n\n\u{c}2\u{c}\n\n7");
        assert_eq!((markdown.as_str(), pages), ("one\n\n7", vec![page(1, 0), page(2, 5)]));
    }

    /// Nodes as the parser makes them of pages: `None` is where a page begins.
    fn pages_of(paragraphs: &[Option<&str>], begins: &[&str]) -> Vec<(usize, String)> {
        let mut page_no = 0;
        let nodes = paragraphs.iter().map(|paragraph| {
            page_no += usize::from(paragraph.is_none());
            let (width, height) = (1.0, 1.0);
            let page = Node::PageInfo { page_no, width, height };
            paragraph.map_or(page, |text| Node::Paragraph { text: text.to_owned() })
        });
        let nodes = marked(nodes.collect(), |page| {
            Some(begins[page - 1].to_owned()).filter(|begin| !begin.is_empty())
        });
        let texts: Vec<&str> = nodes.iter().filter_map(paragraph).collect();
        let (markdown, pages) = places(&texts.join("\n\n"));
        assert!(!markdown.contains(MARK), "{markdown}");
        let starts = pages
            .iter()
            .map(|page| (page.page, markdown[page.offset..].chars().take(12).collect()));
        starts.collect()
    }

    const LONG: &str = "A paragraph that is long enough to be on more than one page, as most of them are, ";

    #[test]
    fn a_page_that_begins_in_a_paragraph_begins_there() {
        let joined = format!("{LONG}and which goes on over the page.");
        let found = pages_of(
            &[None, Some(&joined), None, Some("Another.")],
            &["A paragraph", "and which goes on over the page."],
        );
        assert_eq!(found, [(1, "A paragraph ".to_owned()), (2, "and which go".to_owned())]);
        // a word that was cut, over three pages, one of them blank
        let joined = format!("{LONG}with a vocabulary that is cut in the middle.");
        let found = pages_of(
            &[None, Some(&joined), None, None, None, Some("Another.")],
            &["A paragraph", "", "ulary that is cut in the mid-", "dle."],
        );
        let expected = [(1, "A paragraph "), (3, "ulary that i"), (4, "dle.\n\nAnothe")];
        assert_eq!(found, expected.map(|(page, text)| (page, text.to_owned())));
    }

    #[test]
    fn a_page_that_begins_with_a_paragraph_of_its_own_begins_with_that() {
        let whole = format!("{LONG}and so it is.");
        for (own, begin) in [
            ("Another.", "Another."),
            ("and so it is.", "and so it is."),
            ("and so it is. And on.", "and so it is."),
        ] {
            let found = pages_of(&[None, Some(&whole), None, Some(own)], &["A paragraph", begin]);
            assert_eq!(found[1], (2, own.chars().take(12).collect()), "{own}");
        }
        // a line that is short is not looked into
        let found = pages_of(&[None, Some("Chapter one"), None, Some("Text")], &["Chapter", "one"]);
        assert_eq!(found[1], (2, "Text".to_owned()));
    }
}
