//! Floats and decimals as Python prints them.

/// `str(float)`: the shortest digits, an exponent below 1e-4 and from 1e16.
pub(super) fn float(value: &str) -> String {
    let Ok(float) = value.parse::<f64>() else {
        return value.into();
    };
    if float.is_nan() {
        return "nan".into();
    }
    if float.is_infinite() {
        return if float > 0.0 { "inf" } else { "-inf" }.into();
    }
    // Rust's digits are the shortest too: `-1.25e-7`
    let scientific = format!("{float:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if float == 0.0 || (-4..16).contains(&exponent) {
        let plain = format!("{float}");
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// `str(Decimal)`: as written, but with an exponent if it begins with more than six zeros.
pub(super) fn decimal(value: &str) -> String {
    let (sign, digits) = value.strip_prefix('-').map_or(("", value), |digits| ("-", digits));
    let Some((whole, fraction)) = digits.split_once('.') else {
        return value.into();
    };
    let all = format!("{whole}{fraction}");
    let coefficient = match all.trim_start_matches('0') {
        "" => "0",
        coefficient => coefficient,
    };
    let scale = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
    let exponent = i64::try_from(coefficient.len()).unwrap_or(i64::MAX) - 1 - scale;
    if exponent >= -6 {
        return value.into();
    }
    let (first, rest) = coefficient.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{first}{point}{rest}E{exponent}")
}
