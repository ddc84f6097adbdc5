//! How many queries of each client wait for an upstream (R27): a flood from one leaves room for the others.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

/// Queries of one client that may wait at once, over all workers and streams.
pub const MAX_WAITING: u32 = 256;

const SHARDS: usize = 16;

type Shard = Mutex<HashMap<IpAddr, u32, foldhash::fast::RandomState>>;

/// The counts. A client without waiting queries has no entry, so spoofed addresses leave nothing behind.
#[derive(Debug, Default)]
pub struct Waiting {
    shards: [Shard; SHARDS],
}

impl Waiting {
    /// Counts one more; false, and nothing is counted, when the client has too many.
    pub fn take(&self, client: IpAddr) -> bool {
        let mut shard = self.shard(client).lock().unwrap_or_else(PoisonError::into_inner);
        let count = shard.entry(client).or_default();
        if *count >= MAX_WAITING {
            return false;
        }
        *count += 1;
        true
    }

    /// One has its reply.
    pub fn give(&self, client: IpAddr) {
        let mut shard = self.shard(client).lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = shard.entry(client) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    fn shard(&self, client: IpAddr) -> &Shard {
        let octet = match client {
            IpAddr::V4(address) => address.octets()[3],
            IpAddr::V6(address) => address.octets()[15],
        };
        let [first, ..] = &self.shards;
        self.shards.get(usize::from(octet) % SHARDS).unwrap_or(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r27_a_client_has_a_bounded_number_of_waiting_queries() {
        let waiting = Waiting::default();
        let [one, other] = ["127.0.10.1", "127.0.10.17"].map(|address| address.parse().unwrap());
        assert_eq!((0..1_000).filter(|_| waiting.take(one)).count(), 256);
        assert!(waiting.take(other), "another client of the same shard");
        waiting.give(one);
        assert!(waiting.take(one));
        (0..256).for_each(|_| waiting.give(one));
        waiting.give(other);
        waiting.give(other);
        assert!(waiting.shards.iter().all(|shard| shard.lock().unwrap().is_empty()));
    }
}
