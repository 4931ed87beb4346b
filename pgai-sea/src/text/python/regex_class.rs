//! Characters and classes of characters: `\n`, `\x41`, `[a-z\s]`.

use std::iter::Peekable;
use std::str::Chars;

/// Python's `\d`: decimal digits.
pub(super) const DIGIT: &str = r"[\p{Nd}]";
/// Python's `\s`: Unicode's whitespace and the ASCII separators.
pub(super) const SPACE: &str = r"[\s\x1c-\x1f]";
/// Python's `\w`: letters, numbers of any kind, underscore; no combining marks.
pub(super) const WORD: &str = r"[\p{L}\p{N}_]";

/// One letter to Python where cases are the same. To Unicode, and the engine here, they are three.
pub(super) const LETTERS_I: &str = "iIİı";

/// The opposite of one of the classes above.
pub(super) fn negated(class: &str) -> String {
    class.replacen('[', "[^", 1)
}

/// A character that stands for itself, inside a class and outside.
pub(super) fn literal(c: char) -> String {
    if c.is_alphanumeric() {
        c.to_string()
    } else {
        format!(r"\x{{{:X}}}", u32::from(c))
    }
}

/// The character that an escape stands for, `c` being what follows the backslash.
pub(super) fn code_point(c: char, input: &mut Peekable<Chars<'_>>) -> Result<char, String> {
    match c {
        'a' => Ok('\u{7}'),
        'f' => Ok('\u{c}'),
        'n' => Ok('\n'),
        'r' => Ok('\r'),
        't' => Ok('\t'),
        'v' => Ok('\u{b}'),
        'x' => hexadecimal(2, input),
        'u' => hexadecimal(4, input),
        'U' => hexadecimal(8, input),
        '0'..='7' => {
            let mut code = u32::from(c) - u32::from('0');
            for _ in 0..2 {
                let Some(digit) = input.next_if(|digit| digit.is_digit(8)) else {
                    break;
                };
                code = code * 8 + digit.to_digit(8).unwrap_or_default();
            }
            char::from_u32(code)
                .filter(|_| code <= 0o377)
                .ok_or_else(|| "an octal escape is too large".into())
        }
        c if c.is_ascii_alphanumeric() => Err(format!("`\\{c}` is not supported")),
        c => Ok(c),
    }
}

fn hexadecimal(length: usize, input: &mut Peekable<Chars<'_>>) -> Result<char, String> {
    let digits: String = input.by_ref().take(length).collect();
    let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == length);
    code.and_then(char::from_u32)
        .ok_or_else(|| format!("`{digits}` is no code point of {length} hexadecimal digits"))
}

/// One member of a class.
enum Member {
    Character(char),
    /// `\d` and its like, which cannot begin or end a range.
    Class(String),
}

/// A class, from after its `[` to its `]`; `insensitive` if cases are the same.
pub(super) fn translate_class(input: &mut Peekable<Chars<'_>>, insensitive: bool) -> Result<String, String> {
    let mut class = String::from("[");
    if input.next_if_eq(&'^').is_some() {
        class.push('^');
    }
    let mut is_first = true;
    let mut has_i = false;
    loop {
        let c = input.next().ok_or("a class is not closed")?;
        if c == ']' && !is_first {
            if has_i && insensitive {
                class.push_str(LETTERS_I);
            }
            class.push(']');
            return Ok(class);
        }
        is_first = false;
        let low = member(c, input)?;
        // a minus before the end is a minus
        let is_range = input.peek() == Some(&'-') && !matches!(input.clone().nth(1), None | Some(']'));
        if !is_range {
            match low {
                Member::Character(c) => {
                    has_i |= LETTERS_I.contains(c);
                    class.push_str(&literal(c));
                }
                Member::Class(name) => class.push_str(&name),
            }
            continue;
        }
        input.next();
        let high = input.next().ok_or("a class is not closed")?;
        let (Member::Character(low), Member::Character(high)) = (low, member(high, input)?) else {
            return Err("a range begins or ends with a class".into());
        };
        if low > high {
            return Err(format!("the range `{low}-{high}` runs backwards"));
        }
        has_i |= LETTERS_I.chars().any(|i| (low..=high).contains(&i));
        class.extend([literal(low), "-".into(), literal(high)]);
    }
}

fn member(c: char, input: &mut Peekable<Chars<'_>>) -> Result<Member, String> {
    if c != '\\' {
        return Ok(Member::Character(c));
    }
    Ok(match input.next().ok_or("it ends with a backslash")? {
        'b' => Member::Character('\u{8}'),
        'd' => Member::Class(DIGIT.into()),
        's' => Member::Class(SPACE.into()),
        'w' => Member::Class(WORD.into()),
        'D' => Member::Class(negated(DIGIT)),
        'S' => Member::Class(negated(SPACE)),
        'W' => Member::Class(negated(WORD)),
        escaped => Member::Character(code_point(escaped, input)?),
    })
}
