//! Times and intervals as Python prints them, from PostgreSQL's ISO date style and `postgres` interval style.

use std::fmt::Write as _;

const MICROSECONDS_OF_A_DAY: i128 = 24 * 3_600 * 1_000_000;

/// `str(datetime)` or `str(time)`: six digits of a second or none, an offset with minutes.
pub(super) fn date_time(value: &str) -> String {
    // the time of day begins at the first colon; a sign after it is the offset's
    let Some(colon) = value.find(':') else {
        return value.into();
    };
    if value.ends_with(" BC") {
        return value.into();
    }
    let offset_at = value[colon..].find(['+', '-']).map_or(value.len(), |at| colon + at);
    let (clock, offset) = value.split_at(offset_at);
    let mut text = match clock.split_once('.') {
        Some((seconds, fraction)) if fraction.bytes().any(|digit| digit != b'0') => format!("{seconds}.{fraction:0<6}"),
        Some((seconds, _)) => seconds.to_owned(),
        None => clock.to_owned(),
    };
    text.push_str(offset);
    if offset.len() == 3 {
        text.push_str(":00");
    }
    text
}

/// `str(timedelta)`; a month has 30 days and a year 365, as psycopg has it.
pub(super) fn interval(value: &str) -> String {
    let Some(microseconds) = microseconds(value) else {
        return value.into();
    };
    let days = microseconds.div_euclid(MICROSECONDS_OF_A_DAY);
    let rest = microseconds.rem_euclid(MICROSECONDS_OF_A_DAY);
    let seconds = rest / 1_000_000;
    let mut text = match days {
        0 => String::new(),
        1 | -1 => format!("{days} day, "),
        _ => format!("{days} days, "),
    };
    let _ = write!(text, "{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if rest % 1_000_000 != 0 {
        let _ = write!(text, ".{:06}", rest % 1_000_000);
    }
    text
}

fn microseconds(value: &str) -> Option<i128> {
    let mut total = 0;
    let mut words = value.split_ascii_whitespace();
    while let Some(word) = words.next() {
        if word.contains(':') {
            total += clock(word)?;
            continue;
        }
        let count: i128 = word.parse().ok()?;
        let days = match words.next()?.trim_end_matches('s') {
            "year" => 365,
            "mon" => 30,
            "day" => 1,
            _ => return None,
        };
        total += count * days * MICROSECONDS_OF_A_DAY;
    }
    Some(total)
}

/// `-01:02:03.5` in microseconds.
fn clock(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.trim_start_matches('+')),
    };
    let (hms, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut seconds = 0;
    for part in hms.split(':') {
        seconds = seconds * 60 + part.parse::<i128>().ok()?;
    }
    let fraction: i128 = format!("{fraction:0<6}").parse().ok()?;
    Some(sign * (seconds * 1_000_000 + fraction))
}
