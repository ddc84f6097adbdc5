//! The names of a zone with their records, kept close together: a million names are a few allocations.

use hashbrown::HashTable;

use crate::wire::Template;

/// A name of a zone: its RRsets, or none for an empty non-terminal.
#[derive(Debug, Clone)]
pub struct Node {
    sets: Sets,
    /// Where its first record was written.
    line: u32,
    /// Where its name stands among the names: an octet with its length, then the name.
    name_at: u32,
}

#[derive(Debug, Clone)]
enum Sets {
    One(Template),
    Several(Box<[Template]>),
}

impl Node {
    /// The RRset of a type.
    #[inline]
    pub fn rrset(&self, kind: u16) -> Option<&Template> {
        self.rrsets().iter().find(|set| set.rtype() == kind)
    }

    /// All RRsets.
    #[inline]
    pub fn rrsets(&self) -> &[Template] {
        match &self.sets {
            Sets::One(set) => std::slice::from_ref(set),
            Sets::Several(sets) => sets,
        }
    }

    /// The same, to be changed.
    pub(super) fn rrsets_mut(&mut self) -> &mut [Template] {
        match &mut self.sets {
            Sets::One(set) => std::slice::from_mut(set),
            Sets::Several(sets) => sets,
        }
    }

    /// Adds an RRset of a type that it lacks.
    pub(super) fn push(&mut self, set: Template) {
        self.sets = match std::mem::replace(&mut self.sets, Sets::Several(Box::default())) {
            Sets::Several(sets) if sets.is_empty() => Sets::One(set),
            Sets::One(first) => Sets::Several([first, set].into()),
            Sets::Several(sets) => {
                let mut sets = sets.into_vec();
                sets.push(set);
                Sets::Several(sets.into())
            }
        };
    }

    /// Whether it has no records, only names below it.
    pub fn is_empty(&self) -> bool {
        self.rrsets().is_empty()
    }

    /// The line of its first record in the zone's file, or 0.
    pub fn line(&self) -> u32 {
        self.line
    }
}

/// All names of a zone, by relative name: labels in wire form without the final zero; the apex is empty.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    hasher: foldhash::fast::RandomState,
    /// Places in `list`.
    index: HashTable<u32>,
    list: Vec<Node>,
    names: Vec<u8>,
}

impl Nodes {
    /// The node of a relative name.
    #[inline]
    pub(super) fn get(&self, relative: &[u8]) -> Option<&Node> {
        self.list.get(self.find(relative)?)
    }

    /// Whether there is one.
    pub(super) fn contains(&self, relative: &[u8]) -> bool {
        self.find(relative).is_some()
    }

    #[inline]
    fn find(&self, relative: &[u8]) -> Option<usize> {
        let place = self.index.find(self.hash(relative), |place| self.name(*place as usize) == relative)?;
        Some(*place as usize)
    }

    /// The node of a relative name, made with `line` where there is none; none when there is no room for more.
    pub(super) fn entry(&mut self, relative: &[u8], line: u32) -> Option<&mut Node> {
        let place = match self.find(relative) {
            Some(place) => place,
            None => self.insert(relative, line)?,
        };
        self.list.get_mut(place)
    }

    fn insert(&mut self, relative: &[u8], line: u32) -> Option<usize> {
        let place = u32::try_from(self.list.len()).ok()?;
        let name_at = u32::try_from(self.names.len()).ok()?;
        self.names.push(u8::try_from(relative.len()).ok()?);
        self.names.extend_from_slice(relative);
        self.list.push(Node { sets: Sets::Several(Box::default()), line, name_at });
        let (hash, hasher, list, names) = (self.hash(relative), &self.hasher, &self.list, &self.names);
        self.index.insert_unique(hash, place, |place| hash_of(hasher, name_in(list, names, *place as usize)));
        Some(place as usize)
    }

    fn hash(&self, relative: &[u8]) -> u64 {
        hash_of(&self.hasher, relative)
    }

    /// The relative name of the node at a place.
    pub(super) fn name(&self, place: usize) -> &[u8] {
        name_in(&self.list, &self.names, place)
    }

    /// The node at a place.
    pub(super) fn at(&self, place: usize) -> Option<&Node> {
        self.list.get(place)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// All names and nodes, in the order in which they came.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &Node)> {
        self.list.iter().enumerate().map(|(place, node)| (self.name(place), node))
    }

    /// Gives back the room that was kept for more.
    pub(super) fn shrink(&mut self) {
        self.list.shrink_to_fit();
        self.names.shrink_to_fit();
    }
}

fn hash_of(hasher: &foldhash::fast::RandomState, relative: &[u8]) -> u64 {
    std::hash::BuildHasher::hash_one(hasher, relative)
}

fn name_in<'n>(list: &[Node], names: &'n [u8], place: usize) -> &'n [u8] {
    let at = list.get(place).map_or(0, |node| node.name_at as usize);
    let length = names.get(at).copied().unwrap_or(0);
    let start = at.saturating_add(1);
    names.get(start..start.saturating_add(usize::from(length))).unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Ttl;

    #[test]
    fn names_are_found_by_their_octets_and_kept_in_order() {
        assert_eq!(size_of::<Node>(), 40);
        let mut nodes = Nodes::default();
        for number in 0..1_000_u32 {
            let name = [&[4][..], &number.to_be_bytes()].concat();
            let node = nodes.entry(&name, number).unwrap();
            node.push(Template::new(1, Ttl::ZERO, [number.to_be_bytes().as_slice()]).unwrap());
        }
        assert_eq!(nodes.entry(&[4, 0, 0, 0, 7], 9).unwrap().line(), 7);
        assert_eq!((nodes.len(), nodes.contains(&[]), nodes.contains(&[4, 0, 0, 4, 0])), (1_000, false, false));
        let found = nodes.get(&[4, 0, 0, 0, 9]).unwrap();
        assert_eq!(found.rrset(1).unwrap().rdata().next(), Some([0, 0, 0, 9].as_slice()));
        let lines: Vec<u32> = nodes.iter().map(|(_, node)| node.line()).collect();
        assert_eq!(lines, (0..1_000).collect::<Vec<_>>());
    }

    #[test]
    fn a_node_has_any_count_of_sets() {
        let mut nodes = Nodes::default();
        let node = nodes.entry(&[], 1).unwrap();
        assert!(node.is_empty());
        for kind in 1..5 {
            node.push(Template::new(kind, Ttl::ZERO, [[0].as_slice()]).unwrap());
        }
        let kinds: Vec<u16> = node.rrsets().iter().map(Template::rtype).collect();
        assert_eq!((kinds, node.is_empty()), (vec![1, 2, 3, 4], false));
    }
}
