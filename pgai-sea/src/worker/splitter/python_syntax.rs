//! Python's notation of regular expressions, rewritten where the engine here reads it differently: `\Z`, `$`, `\w`, `{,3}`, a `[`
//! inside a class, octal escapes. What cannot be said here is an error that names it.

use std::iter::Peekable;
use std::str::Chars;

use super::python_class::{DIGIT, SPACE, WORD, code_point, literal, negated, translate_class};

/// Rewrites `pattern`, or says what is wrong with it.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let mut translator = Translator {
        input: pattern.chars().peekable(),
        output: String::with_capacity(pattern.len() + 8),
        open: Vec::new(),
        captures: 0,
        multiline: false,
    };
    translator.run()?;
    Ok(translator.output)
}

struct Translator<'p> {
    input: Peekable<Chars<'p>>,
    output: String,
    open: Vec<Group>,
    captures: usize,
    /// Whether `^` and `$` also match at lines.
    multiline: bool,
}

/// A group that is not closed yet.
struct Group {
    capture: Option<usize>,
    multiline_outside: bool,
}

impl Translator<'_> {
    fn run(&mut self) -> Result<(), String> {
        while let Some(c) = self.input.next() {
            match c {
                '\\' => self.escape()?,
                '[' => self.output.push_str(&translate_class(&mut self.input)?),
                '(' => self.group()?,
                ')' => {
                    let group = self.open.pop().ok_or("a parenthesis closes what is not open")?;
                    self.multiline = group.multiline_outside;
                    self.output.push(')');
                }
                '{' => self.braces(),
                '^' => self.emit(if self.multiline { "(?m:^)" } else { r"\A" }),
                '$' => self.emit(if self.multiline { "(?m:$)" } else { r"(?=\n?\z)" }),
                '}' | ']' => self.emit(&literal(c)),
                _ => self.output.push(c),
            }
        }
        if self.open.is_empty() {
            Ok(())
        } else {
            Err("a parenthesis is not closed".into())
        }
    }

    fn escape(&mut self) -> Result<(), String> {
        let c = self.input.next().ok_or("it ends with a backslash")?;
        match c {
            'A' => self.emit(r"\A"),
            'Z' => self.emit(r"\z"),
            'b' => self.emit(&format!("(?:(?<={WORD})(?!{WORD})|(?<!{WORD})(?={WORD}))")),
            'B' => self.emit(&format!("(?:(?<={WORD})(?={WORD})|(?<!{WORD})(?!{WORD}))")),
            'd' => self.emit(DIGIT),
            's' => self.emit(SPACE),
            'w' => self.emit(WORD),
            'D' => self.emit(&negated(DIGIT)),
            'S' => self.emit(&negated(SPACE)),
            'W' => self.emit(&negated(WORD)),
            '1'..='9' => self.reference(c)?,
            _ => self.output.push_str(&literal(code_point(c, &mut self.input)?)),
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
        let mut multiline = self.multiline;
        let mut next = Some(first);
        loop {
            match next {
                Some(c @ ('i' | 's')) => flags.push(c),
                Some('m') => multiline = on,
                Some('u') => {} // what it says is so anyway
                Some('-') if on => {
                    on = false;
                    flags.push('-');
                }
                Some(':') => {
                    let flags = flags.trim_end_matches('-');
                    self.enter(false, &format!("(?{flags}:"));
                    self.multiline = multiline;
                    return Ok(());
                }
                Some(')') if at_start && on => {
                    self.multiline = multiline;
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
            multiline_outside: self.multiline,
        });
        self.emit(start);
    }

    /// `{2,3}` counts, with either number left out too; anything else is a brace.
    fn braces(&mut self) {
        let rest: String = self.input.clone().take_while(|&c| c != '}').collect();
        let closed = self.input.clone().any(|c| c == '}');
        let (low, high) = rest.split_once(',').unwrap_or((&rest, &rest));
        let is_count = |digits: &str| digits.chars().all(|c| c.is_ascii_digit());
        if !closed || rest.is_empty() || !is_count(low) || !is_count(high) {
            self.emit(r"\{");
            return;
        }
        let low = if low.is_empty() { "0" } else { low };
        let count = if rest.contains(',') {
            format!("{{{low},{high}}}")
        } else {
            format!("{{{low}}}")
        };
        self.emit(&count);
        self.input.by_ref().take(rest.chars().count() + 1).for_each(drop);
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
        ] {
            let refusal = translate(pattern).unwrap_err();
            assert!(refusal.contains(reason), "{pattern}: {refusal}");
        }
    }
}
