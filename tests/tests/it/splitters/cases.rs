//! Random texts and parameters.

use pgai_sea_tests::Random;
use serde_json::{Map, Value, json};

/// What texts are made of: words, gaps, and characters that some rule treats in its own way.
const PARTS: [&str; 56] = [
    "a",
    "I",
    "row",
    "index",
    "naïve",
    "e\u{301}te\u{301}",
    "数据库",
    "検索",
    "ключ",
    "🦀",
    "👩‍👩‍👧",
    "xxxxxxxxxxxxxxx",
    "12",
    "3.14",
    "²",
    "Ⅷ",
    "CamelCase",
    "_",
    "$x",
    "\\d",
    "[z]",
    "(q)",
    "a|b",
    "\u{663}",
    "ſ",
    "K",
    "ẞ",
    "İ",
    " ",
    " ",
    " ",
    " ",
    " ",
    "\n",
    "\n\n",
    ". ",
    "? ",
    "! ",
    ".",
    "-",
    ",",
    ";",
    "\t",
    "\r\n",
    "\u{a0}",
    "\u{3000}",
    "\u{2028}",
    "\u{1c}",
    "\u{85}",
    "\u{200b}",
    "\u{feff}",
    "\u{b}",
    "\u{0}",
    "が",
    "한국어",
    "שלום",
];

const LITERALS: [&str; 15] = [
    "\n\n",
    "\n",
    " ",
    ".",
    "",
    "x",
    ", ",
    "。",
    "\u{a0}",
    "🦀",
    "a|b",
    "[z]",
    "\\d",
    "not there",
    "..",
];

/// Whole blocks of Unicode that have been full, or not, for many years: any character of them is taken.
const BLOCKS: [(u32, u32); 14] = [
    (0x00, 0x7f),
    (0x80, 0x24f),
    (0x250, 0x36f),
    (0x370, 0x52f),
    (0x5d0, 0x5ea),
    (0x900, 0x97f),
    (0xe01, 0xe30),
    (0x1e00, 0x1fff),
    (0x2000, 0x206f),
    (0x2070, 0x218b),
    (0x3000, 0x30ff),
    (0x4e00, 0x9fa5),
    (0xac00, 0xd7a3),
    (0x1f300, 0x1f5ff),
];

/// A source of cases that is the same for the same seed.
pub(super) struct Cases(Random);

impl Cases {
    pub(super) fn new(seed: u64) -> Self {
        Self(Random::new(seed))
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.0.below(end as u64)).unwrap()
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// Whether it is one of so many.
    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn character(&mut self) -> char {
        let (first, last) = BLOCKS[self.below(BLOCKS.len())];
        let code = first + u32::try_from(self.below((last - first + 1) as usize)).unwrap();
        char::from_u32(code).unwrap()
    }

    pub(super) fn text(&mut self) -> String {
        let parts = [0, 1, 3, 10, 30, 90][self.below(6)];
        let is_wild = self.one_in(4);
        let mut text = String::new();
        for _ in 0..parts {
            if is_wild && self.one_in(2) {
                text.push(self.character());
            } else {
                text.push_str(self.pick(&PARTS));
            }
        }
        text
    }

    /// One splitter and a text.
    pub(super) fn split(&mut self) -> Value {
        let mut options = Map::new();
        let chunk_size = [1, 2, 3, 5, 8, 13, 20, 40, 100][self.below(9)];
        let chunk_overlap = [0, 0, 1, chunk_size / 2, chunk_size, chunk_size + 1][self.below(6)];
        options.insert("chunk_size".into(), chunk_size.into());
        options.insert("chunk_overlap".into(), chunk_overlap.into());
        let is_regex = self.one_in(2);
        options.insert("is_separator_regex".into(), is_regex.into());
        let implementation = if self.one_in(2) {
            options.insert("separator".into(), self.separator(is_regex).into());
            "character_text_splitter"
        } else {
            let count = self.below(5);
            let separators: Vec<String> = (0..count).map(|_| self.separator(is_regex)).collect();
            options.insert("separators".into(), separators.into());
            "recursive_character_text_splitter"
        };
        json!({ "implementation": implementation, "options": options, "text": self.text() })
    }

    fn separator(&mut self, is_regex: bool) -> String {
        match (is_regex, self.one_in(3)) {
            (true, _) => self.regex(2),
            (false, true) => self.text().chars().take(2).collect(),
            (false, false) => self.pick(&LITERALS).to_owned(),
        }
    }

    /// A regular expression of so many levels.
    fn regex(&mut self, levels: usize) -> String {
        let branches = [1, 1, 1, 2][self.below(4)];
        let branches: Vec<String> = (0..branches)
            .map(|_| (0..=self.below(2)).map(|_| self.repeated(levels)).collect())
            .collect();
        branches.join("|")
    }

    fn repeated(&mut self, levels: usize) -> String {
        const QUANTIFIERS: [&str; 11] = [
            "*", "+", "?", "{2}", "{1,3}", "{,2}", "{2,}", "*?", "+?", "??", "{1,2}?",
        ];
        let atom = self.atom(levels);
        let quantifier = if self.one_in(3) { self.pick(&QUANTIFIERS) } else { "" };
        atom + quantifier
    }

    fn atom(&mut self, levels: usize) -> String {
        if levels > 0 && self.one_in(4) {
            let inner = self.regex(levels - 1);
            let start = self.pick(&["(?:", "(?:", "(?=", "(?!", "(?i:", "(?s:", "(?m:", "("]);
            return format!("{start}{inner})");
        }
        match self.below(12) {
            0..=3 => self.literal(),
            4 | 5 => self.pick(&[r"\s", r"\S", r"\w", r"\W", r"\d", r"\D"]).to_owned(),
            6 => ".".to_owned(),
            7 => self.pick(&["^", "$", r"\b", r"\B", r"\A", r"\Z"]).to_owned(),
            8 => {
                let behind = self.pick(&[r"\s", ".", "[a-z]", "x", r"\w"]);
                let start = self.pick(&["(?<=", "(?<!"]);
                format!("{start}{behind})")
            }
            _ => self.class(),
        }
    }

    fn literal(&mut self) -> String {
        let text = if self.one_in(3) {
            self.character().to_string()
        } else {
            self.pick(&PARTS).to_owned()
        };
        let character = text.chars().next().unwrap_or('a');
        escaped(character)
    }

    fn class(&mut self) -> String {
        let mut class = String::from(if self.one_in(3) { "[^" } else { "[" });
        for _ in 0..=self.below(3) {
            match self.below(4) {
                0 => class.push_str(self.pick(&[r"\s", r"\S", r"\w", r"\W", r"\d", r"\D"])),
                1 => {
                    let (mut low, mut high) = (self.character(), self.character());
                    if low > high {
                        std::mem::swap(&mut low, &mut high);
                    }
                    class += &format!("{}-{}", escaped(low), escaped(high));
                }
                2 => class.push_str(self.pick(&["a-z", "A-Z", "0-9", r"\n", r"\x41", r"\u3000", r"\.", "&", "~", "é"])),
                _ => class += &self.literal(),
            }
        }
        class.push(']');
        class
    }

    /// A template and a row.
    pub(super) fn template(&mut self) -> Value {
        const NAMES: [&str; 8] = ["chunk", "title", "a_1", "_x", "TITLE", "missing", "été", "1st"];
        const PIECES: [&str; 12] = [
            "$", "$$", "${", "}", "${}", " ", "\n", "\u{2028}", "$ſ", "$İ", "text ", "{",
        ];
        let mut template = String::new();
        for _ in 0..self.below(8) {
            match self.below(5) {
                0 => template += self.pick(&PIECES),
                1 => template += &format!("${{{}}}", self.pick(&NAMES)),
                2 => template.push(self.character()),
                3 => template += self.pick(&PARTS),
                _ => template += &format!("${} ", self.pick(&NAMES)),
            }
        }
        let mut row = Map::new();
        for name in ["chunk", "title", "a_1", "_x", "TITLE"] {
            row.insert(name.into(), self.text().into());
        }
        json!({ "template": template, "row": row })
    }
}

fn escaped(character: char) -> String {
    if character.is_alphanumeric() {
        character.to_string()
    } else {
        format!("\\U{:08x}", u32::from(character))
    }
}
