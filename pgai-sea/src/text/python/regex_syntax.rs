//! Python's notation of regular expressions, rewritten where the engine here reads it differently: `\Z`, `$`, `\w`,
//! `{,3}`, a `[` inside a class, octal escapes. An error names what this engine cannot express.

use std::iter::Peekable;
use std::str::Chars;

use super::regex_class::{DIGIT, LETTERS_I, SPACE, WORD, code_point, literal, negated, translate_class};

/// Rewrites `pattern`, or says what is wrong with it.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let mut translator = Translator {
        input: pattern.chars().peekable(),
        output: String::with_capacity(pattern.len() + 8),
        open: Vec::new(),
        captures: 0,
        modes: Modes::default(),
        last: Last::Nothing,
        consumes: false,
    };
    translator.run()?;
    Ok(translator.output)
}

struct Translator<'p> {
    input: Peekable<Chars<'p>>,
    output: String,
    open: Vec<Group>,
    captures: usize,
    modes: Modes,
    /// What a quantifier would repeat.
    last: Last,
    /// Whether the group that is open has anything in it that can match a character.
    consumes: bool,
}

/// What flags have turned on.
#[derive(Clone, Copy, Default)]
struct Modes {
    /// `^` and `$` also match at lines.
    multiline: bool,
    /// Cases are the same.
    insensitive: bool,
}

/// What stands before a place in the expression.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// The beginning of a branch.
    Nothing,
    /// `^`, `$`, `\b` and their like, which Python does not repeat.
    Place,
    /// A quantifier.
    Repeat,
    /// A character, class or group.
    Item,
}

/// A group that is not closed yet.
struct Group {
    capture: Option<usize>,
    modes_outside: Modes,
    consumes_outside: bool,
    is_look: bool,
    /// Where it begins in the output.
    start: usize,
}

impl Translator<'_> {
    fn run(&mut self) -> Result<(), String> {
        while let Some(c) = self.input.next() {
            match c {
                '\\' => self.escape()?,
                '[' => {
                    self.item();
                    self.output
                        .push_str(&translate_class(&mut self.input, self.modes.insensitive)?);
                }
                '(' => self.group()?,
                ')' => self.close()?,
                '{' => self.braces()?,
                '*' | '+' | '?' => self.repeat(&c.to_string())?,
                '|' => {
                    self.last = Last::Nothing;
                    self.emit("|");
                }
                '^' => self.place(if self.modes.multiline { "(?m:^)" } else { r"\A" }),
                '$' => self.place(if self.modes.multiline { "(?m:$)" } else { r"(?=\n?\z)" }),
                '}' | ']' => self.character(c),
                _ if self.modes.insensitive && LETTERS_I.contains(c) => self.character(c),
                _ => {
                    self.item();
                    self.output.push(c);
                }
            }
        }
        if self.open.is_empty() {
            Ok(())
        } else {
            Err("a parenthesis is not closed".into())
        }
    }

    /// What follows matches characters.
    fn item(&mut self) {
        self.last = Last::Item;
        self.consumes = true;
    }

    /// A character that stands for itself.
    fn character(&mut self, c: char) {
        self.item();
        if self.modes.insensitive && LETTERS_I.contains(c) {
            self.emit(&format!("[{LETTERS_I}]"));
        } else {
            self.emit(&literal(c));
        }
    }

    /// Something that matches a place between characters.
    fn place(&mut self, pattern: &str) {
        self.last = Last::Place;
        self.emit(pattern);
    }

    /// A quantifier, and what makes it lazy or possessive.
    fn repeat(&mut self, quantifier: &str) -> Result<(), String> {
        match self.last {
            Last::Nothing | Last::Place => return Err("there is nothing to repeat".into()),
            Last::Repeat => return Err("a repetition is repeated".into()),
            Last::Item => {}
        }
        self.emit(quantifier);
        if let Some(kind) = self.input.next_if(|c| matches!(c, '?' | '+')) {
            self.output.push(kind);
        }
        self.last = Last::Repeat;
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        let group = self.open.pop().ok_or("a parenthesis closes what is not open")?;
        self.output.push(')');
        let is_repeated = matches!(self.input.peek(), Some('*' | '+' | '?' | '{'));
        if is_repeated && group.capture.is_none() && (group.is_look || !self.consumes) {
            // the engine here repeats no place; a choice, of which the other branch never matches, it does
            self.output.insert_str(group.start, "(?:");
            self.emit("|(?!))");
        }
        self.modes = group.modes_outside;
        self.consumes = group.consumes_outside || (self.consumes && !group.is_look);
        self.last = Last::Item;
        Ok(())
    }

    fn escape(&mut self) -> Result<(), String> {
        let c = self.input.next().ok_or("it ends with a backslash")?;
        if !matches!(c, 'A' | 'Z' | 'b' | 'B') {
            self.item();
        }
        match c {
            'A' => self.place(r"\A"),
            'Z' => self.place(r"\z"),
            'b' => self.place(&format!("(?:(?<={WORD})(?!{WORD})|(?<!{WORD})(?={WORD}))")),
            'B' => self.place(&format!("(?:(?<={WORD})(?={WORD})|(?<!{WORD})(?!{WORD}))")),
            'd' => self.emit(DIGIT),
            's' => self.emit(SPACE),
            'w' => self.emit(WORD),
            'D' => self.emit(&negated(DIGIT)),
            'S' => self.emit(&negated(SPACE)),
            'W' => self.emit(&negated(WORD)),
            '1'..='9' => self.reference(c)?,
            _ => {
                let c = code_point(c, &mut self.input)?;
                self.character(c);
            }
        }
        Ok(())
    }

    /// `\1` to `\99`, or three octal digits.
    fn reference(&mut self, first: char) -> Result<(), String> {
        let mut digits = String::from(first);
        if let Some(second) = self.input.next_if(char::is_ascii_digit) {
            digits.push(second);
            let octal = digits.chars().all(|digit| digit.is_digit(8));
            if octal && let Some(third) = self.input.next_if(|third| third.is_digit(8)) {
                digits.push(third);
                let character = u32::from_str_radix(&digits, 8).ok().filter(|&code| code <= 0o377);
                let character = character
                    .and_then(char::from_u32)
                    .ok_or_else(|| format!("`\\{digits}` is too large"))?;
                self.emit(&literal(character));
                return Ok(());
            }
        }
        let group: usize = digits.parse().map_err(|_| format!("`\\{digits}` is no group"))?;
        if group > self.captures {
            return Err(format!("`\\{group}` refers to a group that does not exist"));
        }
        if self.open.iter().any(|open| open.capture == Some(group)) {
            return Err(format!("`\\{group}` refers to a group that is still open"));
        }
        self.emit(&format!(r"(?:\{group})"));
        Ok(())
    }

    fn group(&mut self) -> Result<(), String> {
        if self.input.next_if_eq(&'?').is_none() {
            self.enter(true, "(");
            return Ok(());
        }
        match self.input.next() {
            Some(c @ (':' | '=' | '!' | '>')) => self.enter(false, &format!("(?{c}")),
            Some('<') => match self.input.next() {
                Some(c @ ('=' | '!')) => self.enter(false, &format!("(?<{c}")),
                _ => return Err("`(?<` is followed by neither `=` nor `!`".into()),
            },
            Some('#') => {
                self.until(')')?;
            }
            Some('P') => match self.input.next() {
                Some('<') => {
                    let name = self.until('>')?;
                    self.enter(true, &format!("(?P<{name}>"));
                }
                Some('=') => {
                    let name = self.until(')')?;
                    self.item();
                    self.emit(&format!(r"(?:\k<{name}>)"));
                }
                _ => return Err("`(?P` is followed by neither `<` nor `=`".into()),
            },
            Some('(') => {
                let condition = self.until(')')?;
                let is_number = condition.chars().all(|c| c.is_ascii_digit());
                let condition = if is_number { condition } else { format!("<{condition}>") };
                self.enter(false, &format!("(?({condition})"));
            }
            Some(flag) => self.flags(flag)?,
            None => return Err("it ends with `(?`".into()),
        }
        Ok(())
    }

    /// `(?i)` at the very start, or `(?i-s:` around a part.
    fn flags(&mut self, first: char) -> Result<(), String> {
        let at_start = self.output.is_empty();
        let mut flags = String::new();
        let mut on = true;
        let mut modes = self.modes;
        let mut next = Some(first);
        loop {
            match next {
                Some(c @ ('i' | 's')) => {
                    flags.push(c);
                    if c == 'i' {
                        modes.insensitive = on;
                    }
                }
                Some('m') => modes.multiline = on,
                Some('u') => {} // what it says is so anyway
                Some('-') if on => {
                    on = false;
                    flags.push('-');
                }
                Some(':') => {
                    let flags = flags.trim_end_matches('-');
                    self.enter(false, &format!("(?{flags}:"));
                    self.modes = modes;
                    return Ok(());
                }
                Some(')') if at_start && on => {
                    self.modes = modes;
                    if !flags.is_empty() {
                        self.emit(&format!("(?{flags})"));
                    }
                    return Ok(());
                }
                Some(')') => return Err("flags for the whole expression have to stand at its start".into()),
                Some(c) => return Err(format!("the flag or group `(?{c}` is not supported")),
                None => return Err("a parenthesis is not closed".into()),
            }
            next = self.input.next();
        }
    }

    fn emit(&mut self, pattern: &str) {
        self.output.push_str(pattern);
    }

    fn enter(&mut self, capturing: bool, start: &str) {
        if capturing {
            self.captures += 1;
        }
        self.open.push(Group {
            capture: capturing.then_some(self.captures),
            modes_outside: self.modes,
            consumes_outside: self.consumes,
            is_look: matches!(start, "(?=" | "(?!" | "(?<=" | "(?<!"),
            start: self.output.len(),
        });
        self.last = Last::Nothing;
        self.consumes = false;
        self.emit(start);
    }

    /// `{2,3}` counts, with either number left out too; anything else is a brace.
    fn braces(&mut self) -> Result<(), String> {
        let rest: String = self.input.clone().take_while(|&c| c != '}').collect();
        let closed = self.input.clone().any(|c| c == '}');
        let (low, high) = rest.split_once(',').unwrap_or((&rest, &rest));
        let is_count = |digits: &str| digits.chars().all(|c| c.is_ascii_digit());
        if !closed || rest.is_empty() || !is_count(low) || !is_count(high) {
            self.item();
            self.emit(r"\{");
            return Ok(());
        }
        let low = if low.is_empty() { "0" } else { low };
        let count = if rest.contains(',') {
            format!("{{{low},{high}}}")
        } else {
            format!("{{{low}}}")
        };
        self.input.by_ref().take(rest.chars().count() + 1).for_each(drop);
        self.repeat(&count)
    }

    fn until(&mut self, end: char) -> Result<String, String> {
        let mut text = String::new();
        loop {
            match self.input.next() {
                Some(c) if c == end => return Ok(text),
                Some(c) => text.push(c),
                None => return Err(format!("`{end}` is missing")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewrites_what_python_reads_differently() {
        assert_eq!(translate(r"a{,3}{x}$").unwrap(), r"a{0,3}\{x\x{7D}(?=\n?\z)");
        assert_eq!(translate(r"\Z\012\x41").unwrap(), r"\z\x{A}A");
        assert_eq!(translate(r"(?m)^a$").unwrap(), "(?m:^)a(?m:$)");
        assert_eq!(
            translate(r"(?=a)+(?:(?<!b))?c").unwrap(),
            r"(?:(?=a)|(?!))+(?:(?:(?<!b))|(?!))?c"
        );
        assert_eq!(translate(r"(?:(?=a)b)+(?#c)\d*").unwrap(), r"(?:(?=a)b)+[\p{Nd}]*");
        assert_eq!(translate(r"(?i:\x69[a-k])i").unwrap(), "(?i:[iIİı][a-kiIİı])i");
        assert_eq!(translate(r"(?i:a)(?P<n>b)(?P=n)").unwrap(), r"(?i:a)(?P<n>b)(?:\k<n>)");
    }

    #[test]
    fn says_what_cannot_be_said() {
        for (pattern, reason) in [
            ("(a", "not closed"),
            ("a)", "not open"),
            ("(a)\\3", "does not exist"),
            ("(a\\1)", "still open"),
            ("((?i)a)", "at its start"),
            ("(?x: a)", "not supported"),
            (r"\N{DASH}", "not supported"),
            ("[a", "not closed"),
            ("[z-a]", "backwards"),
            ("a\\", "ends with a backslash"),
            ("*a", "nothing to repeat"),
            ("a|+", "nothing to repeat"),
            (r"\b?", "nothing to repeat"),
            ("$*", "nothing to repeat"),
            ("a**", "repetition is repeated"),
            ("a{2}{3}", "repetition is repeated"),
        ] {
            let refusal = translate(pattern).unwrap_err();
            assert!(refusal.contains(reason), "{pattern}: {refusal}");
        }
    }
}
