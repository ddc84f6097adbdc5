//! What a reply has to be, worked out a second time: from the rules alone, by linear scans over plain data, and with
//! nothing of the product's. Where the rules leave room (an owner of a synthetic SOA, a TTL before a cut) the oracle
//! accepts what they allow; where they are silent it says so and the case is not judged.

pub(crate) mod answer;
pub(crate) mod expected;
pub(crate) mod generate;
pub(crate) mod guard;
pub(crate) mod name;
pub(crate) mod sight;
pub(crate) mod world;

pub(crate) use answer::answer;
pub(crate) use expected::Verdict;
pub(crate) use world::World;
