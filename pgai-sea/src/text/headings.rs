//! The headings of a Markdown text, and which of them a place stands under.

/// The most characters of a heading in a path: a path is kept with every chunk.
const LONGEST: usize = 200;

/// A heading of a Markdown text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heading<'t> {
    /// From 1, the highest.
    pub level: usize,
    /// Without the `#`.
    pub text: &'t str,
    /// The byte of the text at which it begins.
    pub offset: usize,
}

/// The headings of a text, in their order.
#[derive(Debug, Default)]
pub(crate) struct Headings<'t> {
    list: Vec<Heading<'t>>,
    /// Of each heading the one that it stands under.
    above: Vec<Option<usize>>,
}

impl<'t> Headings<'t> {
    /// The headings of a Markdown text. Lines in a block of code are none.
    pub(crate) fn of(text: &'t str) -> Self {
        let mut found = Self::default();
        let (mut offset, mut fence) = (0, None);
        for line in text.split_inclusive('\n') {
            let trimmed = line.trim_end();
            let opens = ["```", "~~~"]
                .into_iter()
                .find(|mark| trimmed.trim_start().starts_with(mark));
            match (fence, opens) {
                (None, Some(_)) => fence = opens,
                (Some(open), Some(mark)) if open == mark => fence = None,
                (None, None) => {
                    let level = trimmed.bytes().take_while(|byte| *byte == b'#').count();
                    if let (1..=6, Some(text)) = (level, trimmed[level..].strip_prefix(' ')) {
                        let text = text.trim();
                        found.push(Heading { level, text, offset });
                    }
                }
                (Some(_), _) => {}
            }
            offset += line.len();
        }
        found
    }

    fn push(&mut self, heading: Heading<'t>) {
        let mut above = self.list.len().checked_sub(1);
        while let Some(place) = above.filter(|place| self.list[*place].level >= heading.level) {
            above = self.above[place];
        }
        self.list.push(heading);
        self.above.push(above);
    }

    /// The headings above the text at `offset`, the highest first. A heading at its very beginning is one of them. Of a
    /// long one you get the first 200 characters.
    pub(crate) fn path(&self, offset: usize) -> Vec<String> {
        let mut place = self
            .list
            .partition_point(|heading| heading.offset <= offset)
            .checked_sub(1);
        let mut path = Vec::new();
        while let Some(at) = place {
            path.push(self.list[at].text.chars().take(LONGEST).collect());
            place = self.above[at];
        }
        path.reverse();
        path
    }

    #[cfg(feature = "documents")]
    pub(crate) fn into_vec(self) -> Vec<Heading<'t>> {
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_in_code_is_no_heading() {
        let headings = Headings::of("# A\n```sh\n# not one\n```\n#no\n####### no\n### B #1\n");
        let found: Vec<_> = headings
            .list
            .iter()
            .map(|heading| (heading.level, heading.text))
            .collect();
        assert_eq!(found, [(1, "A"), (3, "B #1")]);
    }

    #[test]
    fn a_place_stands_under_the_nearest_higher_headings() {
        let text = "x\n# A\n### B\n## C\n## D\n# E\n";
        let path = |at: &str| Headings::of(text).path(text.find(at).unwrap()).join("/");
        assert_eq!(
            ["x", "### B", "## C", "## D", "# E"].map(path),
            ["", "A/B", "A/C", "A/D", "E"]
        );
        let long = format!("# {}", "ä".repeat(1_000));
        assert_eq!(Headings::of(&long).path(0)[0].chars().count(), 200);
    }
}
