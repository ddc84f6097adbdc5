//! Endpoints under construction: what several objects or documents say of one is joined.

use hashbrown::HashMap;

use super::Endpoint;

/// Endpoints in order of first appearance, found by id, by interface, or by name where one of two lacks an id. Each way
/// is one look-up, so that a text of equal names costs no more than any other.
#[derive(Debug, Default)]
pub struct Pool {
    endpoints: Vec<Endpoint>,
    by_id: HashMap<String, usize>,
    by_interface: HashMap<String, usize>,
    /// The first of each name, lower-cased.
    by_name: HashMap<String, usize>,
    /// The first of each name that has no id yet.
    without_id: HashMap<String, usize>,
    /// Records that no endpoint is known for.
    nameless: Option<usize>,
}

impl Pool {
    /// Adds an endpoint, or what is said of one that is there already; returns its index.
    pub fn add(&mut self, endpoint: Endpoint) -> usize {
        let name = endpoint.name.to_ascii_lowercase();
        let (id, interfaces) = (endpoint.id.clone(), endpoint.interfaces.clone());
        let is_nameless = id.is_none() && name.is_empty() && interfaces.is_empty();
        let found = if is_nameless { self.nameless } else { self.find(&endpoint, &name) };
        let index = found.unwrap_or(self.endpoints.len());
        match self.endpoints.get_mut(index) {
            Some(own) => own.absorb(endpoint),
            None => self.endpoints.push(endpoint),
        }
        if is_nameless {
            self.nameless = Some(index);
            return index;
        }
        for interface in interfaces {
            self.by_interface.entry(interface).or_insert(index);
        }
        if !name.is_empty() {
            if self.endpoints.get(index).is_some_and(|own| own.id.is_none()) {
                self.without_id.entry(name.clone()).or_insert(index);
            } else if self.without_id.get(&name) == Some(&index) {
                self.without_id.remove(&name);
            }
            self.by_name.entry(name).or_insert(index);
        }
        if let Some(id) = id {
            self.by_id.entry(id).or_insert(index);
        }
        index
    }

    /// The endpoint that another document speaks of.
    fn find(&self, endpoint: &Endpoint, name: &str) -> Option<usize> {
        if let Some(index) = endpoint.id.as_ref().and_then(|id| self.by_id.get(id)) {
            return Some(*index);
        }
        // two ids are two endpoints, whatever else they share
        let has_id = |index: &usize| self.endpoints.get(*index).is_some_and(|own| own.id.is_some());
        let other = |index: &usize| endpoint.id.is_some() && has_id(index);
        let shared = endpoint.interfaces.iter().find_map(|own| self.by_interface.get(own));
        let named = if endpoint.id.is_some() { self.without_id.get(name) } else { self.by_name.get(name) };
        shared.filter(|index| !other(index)).or(named.filter(|index| !other(index))).copied()
    }

    /// The endpoints.
    pub fn into_endpoints(mut self) -> Vec<Endpoint> {
        for endpoint in &mut self.endpoints {
            endpoint.interfaces.sort_unstable();
            endpoint.interfaces.dedup();
        }
        self.endpoints
    }
}
