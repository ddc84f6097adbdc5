//! Which servers an exchange asks, in what order, and how many tries beyond the first failover there may be (R28, R29).

use std::net::IpAddr;

use crate::upstream::group::{Group, Policy};
use crate::upstream::servers::{Health, ServerState};
use crate::wire::Moment;

/// Servers of a group at most. An exchange asks few of them: those that are well come first.
const MAX_SERVERS: usize = 64;

/// A plan of servers, by their places in the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Order {
    servers: [u8; MAX_SERVERS],
    count: u8,
    /// How many of them are asked at once.
    pub(super) at_once: u8,
    /// One that is not well and due for a try, asked beside the others.
    pub(super) probe: Option<u8>,
    /// A server that was left out since the question came from it (R31).
    pub(super) looped: Option<u8>,
}

impl Default for Order {
    fn default() -> Self {
        Self { servers: [0; MAX_SERVERS], count: 0, at_once: 1, probe: None, looped: None }
    }
}

impl Order {
    /// The server in a place.
    pub(super) fn get(&self, place: usize) -> Option<usize> {
        self.servers.get(..usize::from(self.count))?.get(place).map(|server| usize::from(*server))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        usize::from(self.count)
    }

    fn as_mut(&mut self) -> &mut [u8] {
        self.servers.get_mut(..usize::from(self.count)).unwrap_or(&mut [])
    }

    fn push(&mut self, server: usize) {
        if let (Some(place), Ok(server)) = (self.servers.get_mut(usize::from(self.count)), u8::try_from(server)) {
            *place = server;
            self.count += 1;
        }
    }

    fn remove(&mut self, server: u8) {
        let left = *self;
        self.count = 0;
        (0..left.len())
            .filter_map(|place| left.get(place))
            .filter(|kept| *kept != usize::from(server))
            .for_each(|kept| self.push(kept));
    }
}

/// Plans an exchange. `asker` is the client whose query opened it: it is not asked its own question. Loopback names many
/// servers of one host, so it tells nothing.
pub(super) fn order(
    group: &Group,
    states: &[std::sync::Arc<ServerState>],
    turn: usize,
    asker: Option<IpAddr>,
    now: Moment,
) -> Order {
    let count = group.servers.len();
    let first = if group.policy == Policy::RoundRobin { turn } else { 0 };
    let asker = asker.filter(|asker| !asker.is_loopback());
    let mut order = Order::default();
    for place in 0..count {
        let server = (first + place) % count;
        let address = group.servers.get(server).map(|server| server.address.ip().to_canonical());
        if asker.is_some() && address == asker {
            order.looped = u8::try_from(server).ok();
        } else {
            order.push(server);
        }
    }
    let health = |server: u8| states.get(usize::from(server)).map_or(Health::Up, |state| state.health());
    let rank = |server: u8| health(server).max(Health::Doubtful);
    if group.policy == Policy::Fastest {
        // One that was never measured comes first, once.
        order.as_mut().sort_by_key(|server| states.get(usize::from(*server)).and_then(|state| state.round_trip()));
    }
    order.as_mut().sort_by_key(|server| rank(*server));
    let well = order.as_mut().iter().filter(|server| rank(**server) == Health::Doubtful).count();
    if well > 0 {
        let due = |server: &u8| {
            rank(*server) != Health::Doubtful
                && states.get(usize::from(*server)).is_some_and(|state| state.take_probe(now))
        };
        let found = order.as_mut().iter().copied().find(due);
        order.probe = found;
        if let Some(probe) = found {
            order.remove(probe);
        }
    }
    order.at_once = if group.policy == Policy::Race { well.clamp(1, 2) as u8 } else { 1 };
    order
}

/// What is left for tries beyond the first failover: a tenth of the questions, and some for quiet times (R28).
#[derive(Debug, Clone, Copy)]
pub(super) struct Retries {
    tenths: u32,
}

impl Default for Retries {
    fn default() -> Self {
        Self { tenths: Self::MOST }
    }
}

impl Retries {
    /// Fifty tries.
    const MOST: u32 = 500;

    /// A question is asked.
    pub(super) fn earn(&mut self) {
        self.tenths = (self.tenths + 1).min(Self::MOST);
    }

    /// Takes one try; false when none is left.
    pub(super) fn spend(&mut self) -> bool {
        match self.tenths.checked_sub(10) {
            Some(left) => {
                self.tenths = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::{CaseMixing, Server, Transport};
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::time::Duration;

    fn group(policy: Policy) -> Group {
        let server =
            |octet| Server { address: SocketAddr::from(([192, 0, 2, octet], 53)), transport: Transport::Plain };
        Group {
            name: "group".into(),
            servers: vec![server(1), server(2), server(3)],
            policy,
            timeout: Duration::from_secs(5),
            max_in_flight: None,
            max_qps: None,
            case: CaseMixing::Off,
        }
    }

    fn states() -> Vec<Arc<ServerState>> {
        (0..3).map(|_| Arc::default()).collect()
    }

    fn servers(order: &Order) -> Vec<usize> {
        (0..order.len()).filter_map(|place| order.get(place)).collect()
    }

    #[test]
    fn policies_order_servers_and_put_those_that_are_down_last() {
        let (states, at) = (states(), Moment::from_millis(10_000));
        let of = |policy, turn| order(&group(policy), &states, turn, None, at);
        assert_eq!(servers(&of(Policy::Ordered, 1)), [0, 1, 2]);
        assert_eq!(servers(&of(Policy::RoundRobin, 1)), [1, 2, 0]);
        let race = of(Policy::Race, 0);
        assert_eq!((servers(&race), race.at_once, race.probe), (vec![0, 1, 2], 2, None));
        for (state, millis) in states.iter().zip([30, 10, 20]) {
            state.replied(Some(Duration::from_millis(millis)), at);
        }
        assert_eq!(servers(&of(Policy::Fastest, 0)), [1, 2, 0]);
        for server in [0, 1] {
            (1..=3).map(Moment::from_millis).for_each(|turn| _ = states[server].was_silent(turn, turn));
        }
        let probing = of(Policy::Race, 0);
        assert_eq!((servers(&probing), probing.at_once, probing.probe), (vec![2, 1], 1, Some(0)), "due for a probe");
        assert_eq!(of(Policy::Ordered, 0).probe, Some(1));
        assert_eq!(servers(&of(Policy::Ordered, 0)), [2, 0, 1], "both were just probed");
    }

    #[test]
    fn r29_a_server_that_fails_where_others_answer_is_asked_last() {
        let (states, at) = (states(), Moment::from_millis(500));
        (0..3).for_each(|_| _ = states[0].was_made_good());
        assert_eq!(servers(&order(&group(Policy::Ordered), &states, 0, None, at)), [1, 2, 0]);
    }

    #[test]
    fn r31_a_question_does_not_go_back_to_its_asker() {
        let (states, at) = (states(), Moment::from_millis(10_000));
        let asked_by = |address: &str| order(&group(Policy::Ordered), &states, 0, address.parse().ok(), at);
        assert_eq!((servers(&asked_by("192.0.2.2")), asked_by("192.0.2.2").looped), (vec![0, 2], Some(1)));
        assert_eq!(asked_by("192.0.2.9").looped, None);
        let mut loopback = group(Policy::Ordered);
        loopback.servers[0].address = "127.0.0.1:53".parse().unwrap();
        assert_eq!(order(&loopback, &states, 0, "127.0.0.1".parse().ok(), at).looped, None);
    }

    #[test]
    fn r28_later_tries_are_a_tenth_of_the_questions() {
        let mut retries = Retries::default();
        assert_eq!((0..1_000).filter(|_| retries.spend()).count(), 50);
        let spent = (0..1_000).filter(|_| {
            retries.earn();
            retries.spend()
        });
        assert_eq!(spent.count(), 100);
    }
}
