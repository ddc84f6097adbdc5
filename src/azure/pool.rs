//! Endpoints under construction: what several objects or documents say of one is joined.

use std::collections::HashMap;

use super::Endpoint;

/// Endpoints in order of first appearance, found by id, interface or name.
#[derive(Debug, Default)]
pub struct Pool {
    endpoints: Vec<Endpoint>,
    by_key: HashMap<String, Vec<usize>>,
}

impl Pool {
    /// Adds an endpoint, or what is said of one that is there already; returns its index.
    pub fn add(&mut self, endpoint: Endpoint) -> usize {
        let keys = keys(&endpoint);
        let candidates = keys.iter().filter_map(|key| self.by_key.get(key)).flatten();
        let found =
            candidates.copied().find(|index| self.endpoints.get(*index).is_some_and(|own| own.is_same(&endpoint)));
        let index = found.unwrap_or(self.endpoints.len());
        match self.endpoints.get_mut(index) {
            Some(own) => own.absorb(endpoint),
            None => self.endpoints.push(endpoint),
        }
        for key in keys {
            let indexes = self.by_key.entry(key).or_default();
            if !indexes.contains(&index) {
                indexes.push(index);
            }
        }
        index
    }

    /// The endpoints.
    pub fn into_endpoints(self) -> Vec<Endpoint> {
        self.endpoints
    }
}

/// What an endpoint can be found by.
fn keys(endpoint: &Endpoint) -> Vec<String> {
    let id = endpoint.id.iter().map(|id| format!("id {id}"));
    let interfaces = endpoint.interfaces.iter().map(|own| format!("interface {own}"));
    let name = Some(&endpoint.name).filter(|name| !name.is_empty());
    let name = name.map(|name| format!("name {}", name.to_ascii_lowercase()));
    // record sets that no endpoint made are one group
    let nameless = endpoint.id.is_none() && endpoint.name.is_empty() && endpoint.interfaces.is_empty();
    id.chain(interfaces).chain(name).chain(nameless.then(|| "nameless".to_owned())).collect()
}
