//! Fields of a request that a provider has no setter for.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

/// Further fields of a request. They are sent as they are. Their values are not shown, because they may be secret.
#[derive(Clone, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    pub(crate) fn set(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.0.insert(name.into(), value.into());
    }

    /// Sets a field unless it is there.
    pub(crate) fn set_default(&mut self, name: &str, value: impl Into<Value>) {
        if !self.0.contains_key(name) {
            self.set(name, value);
        }
    }

    /// Removes all fields with these names. Returns the value of the first one that is not null.
    pub(crate) fn take(&mut self, names: &[&str]) -> Option<Value> {
        let taken: Vec<_> = names.iter().filter_map(|name| self.0.remove(*name)).collect();
        taken.into_iter().find(|value| !value.is_null())
    }

    pub(crate) fn into_pairs(self) -> impl Iterator<Item = (String, Value)> {
        self.0.into_iter()
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl From<Map<String, Value>> for Fields {
    fn from(fields: Map<String, Value>) -> Self {
        Self(fields)
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_not_shown_and_the_first_name_counts() {
        let mut fields = Fields::default();
        fields.set("token", "hunter2");
        fields.set_default("token", "other");
        assert_eq!(format!("{fields:?}"), r#"{"token"}"#);
        fields.set("api_base", Value::Null);
        fields.set("base_url", "http://host");
        assert_eq!(fields.take(&["api_base", "base_url"]), Some(json!("http://host")));
        assert_eq!(fields.take(&["api_base", "base_url"]), None);
        assert_eq!(serde_json::to_value(&fields).unwrap(), json!({ "token": "hunter2" }));
    }
}
