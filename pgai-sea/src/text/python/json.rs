//! JSON as Python prints what `json.loads` makes of it. Integers beyond 64 bits become floats here.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use super::{number, repr};

/// `str(json.loads(value))`.
pub(super) fn str(value: &str) -> String {
    // only a string differs from its `repr`
    serde_json::from_str::<String>(value).unwrap_or_else(|_| repr(value))
}

/// `repr(json.loads(value))`.
pub(super) fn repr(value: &str) -> String {
    serde_json::from_str::<Repr>(value).map_or_else(|_| value.into(), |repr| repr.0)
}

/// The text that Python prints, written while reading so that keys stay in their order.
struct Repr(String);

impl<'de> Deserialize<'de> for Repr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Printer).map(Repr)
    }
}

struct Printer;

impl<'de> Visitor<'de> for Printer {
    type Value = String;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<String, E> {
        Ok("None".into())
    }

    fn visit_bool<E>(self, value: bool) -> Result<String, E> {
        Ok(if value { "True" } else { "False" }.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_u64<E>(self, value: u64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_f64<E>(self, value: f64) -> Result<String, E> {
        Ok(number::float(&value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<String, E> {
        Ok(repr::string(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<String, A::Error> {
        let mut members = Vec::new();
        while let Some(Repr(member)) = seq.next_element()? {
            members.push(member);
        }
        Ok(format!("[{}]", members.join(", ")))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<String, A::Error> {
        let mut members: Vec<(String, String)> = Vec::new();
        while let Some((key, Repr(value))) = map.next_entry::<String, Repr>()? {
            // a key that comes again keeps its place and takes the later value, as in a dict
            match members.iter_mut().find(|member| member.0 == key) {
                Some(member) => member.1 = value,
                None => members.push((key, value)),
            }
        }
        let members: Vec<_> = members
            .iter()
            .map(|(key, value)| format!("{}: {value}", repr::string(key)))
            .collect();
        Ok(format!("{{{}}}", members.join(", ")))
    }
}
