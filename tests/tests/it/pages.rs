//! The texts of the documentation. What they show as code is compared with the code of the tests that run it.

/// A page: Markdown with fenced blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page(pub(crate) &'static str);

impl Page {
    /// The blocks in this language, as a reader sees them: without the lines that rustdoc hides.
    pub(crate) fn blocks(self, language: &str) -> Vec<String> {
        let mut blocks = Vec::new();
        let mut lines = self.0.lines();
        while let Some(line) = lines.next() {
            let Some(info) = line.strip_prefix("```") else {
                continue;
            };
            let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            if info.split(',').next() == Some(language) {
                let is_shown = |line: &&&str| language != "rust" || !(line.starts_with("# ") || **line == "#");
                let shown: Vec<_> = block.iter().filter(is_shown).copied().collect();
                blocks.push(shown.join("\n"));
            }
        }
        blocks
    }

    /// The one block in this language that has these words.
    pub(crate) fn block(self, language: &str, words: &str) -> String {
        let mut blocks = self.blocks(language);
        blocks.retain(|block| block.contains(words));
        assert_eq!(blocks.len(), 1, "blocks of {language} with {words:?}");
        blocks.remove(0)
    }

    /// Every block of Rust is part of `code`, the text of the test that runs it.
    pub(crate) fn is_code_of(self, code: &str) {
        // rustfmt breaks lines by their indentation, which is another there
        let words = |text: &str| text.split_whitespace().collect::<String>();
        let code = words(code);
        let blocks = self.blocks("rust");
        assert!(!blocks.is_empty(), "a page without code");
        for block in blocks {
            assert!(code.contains(&words(&block)), "not in the test's code:\n{block}");
        }
    }

    /// The commands `pgai-sea ..` of the blocks of shell, each as its arguments, with the database's address filled in.
    pub(crate) fn commands(self, url: &str) -> Vec<Vec<String>> {
        let blocks = self.blocks("sh");
        let commands = blocks.iter().flat_map(|block| block.lines());
        let commands = commands.filter_map(|line| line.strip_prefix("pgai-sea "));
        let argument = |word: &str| word.replace("$DATABASE_URL", url);
        commands
            .map(|line| line.split_whitespace().map(argument).collect())
            .collect()
    }
}

#[test]
fn a_block_is_what_a_reader_sees() {
    let page = Page(
        "text\n```rust,no_run\n# hidden\n#\n#[shown]\nlet a = 1;\n```\n\
         ```sh\npgai-sea status -d $DATABASE_URL\n```\n",
    );
    assert_eq!(page.blocks("rust"), ["#[shown]\nlet a = 1;"]);
    assert_eq!(page.commands("url"), [["status", "-d", "url"]]);
    page.is_code_of("#[shown] let a = 1;");
}

#[test]
#[should_panic(expected = "not in the test's code")]
fn a_block_that_nothing_runs_is_seen() {
    Page("```rust\nlet a = 1;\n```").is_code_of("let a = 2;");
}
