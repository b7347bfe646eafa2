//! The environment variables of a function.

use std::collections::BTreeMap;

/// Variables by name, so that none is given twice.
#[derive(Debug, Clone, Default)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        Self::default().set_all(pairs)
    }

    /// Gives a variable this value, whether it has one or not.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Gives a variable this value if it has none.
    pub fn or(mut self, name: &str, value: &str) -> Self {
        self.0.entry(name.to_owned()).or_insert(value.to_owned());
        self
    }

    pub fn set_all(self, pairs: &[(&str, &str)]) -> Self {
        pairs
            .iter()
            .fold(self, |variables, (name, value)| variables.set(name, value))
    }

    pub fn without(mut self, name: &str) -> Self {
        self.0.remove(name);
        self
    }

    /// As the stand-in for Lambda takes them.
    pub fn pairs(&self) -> Vec<(String, String)> {
        self.0.clone().into_iter().collect()
    }
}
