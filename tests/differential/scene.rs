//! What is drawn for one round: the oracle's random world and tables, with the shapes and the filed zone beside them,
//! and the questions.

use crate::filed;
use crate::harness::message::kind;
use crate::harness::{Opt, Public, Query, Script};
use crate::oracle::World;
use crate::oracle::generate::{self, Choices};
use crate::oracle::name::parent;
use crate::oracle::sight::Sight;
use crate::oracle::world::{Endpoint, Kind};
use crate::shapes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::net::IpAddr;

/// A world with its two public DNS.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) tables: Vec<Public>,
    pub(crate) questions: Vec<(IpAddr, Query)>,
}

/// Numbers that a world and its tables take at most, and those of a question.
const NUMBERS_OF_A_WORLD: usize = 1_500;
const NUMBERS_OF_A_QUESTION: usize = 24;

/// Types of the shapes and of the filed zone, with those that get an answer of their own (R6).
const KINDS: [u16; 29] = [
    kind::A,
    kind::A,
    kind::A,
    kind::A,
    kind::A,
    kind::A,
    kind::AAAA,
    kind::AAAA,
    kind::TXT,
    kind::TXT,
    kind::MX,
    kind::MX,
    kind::CNAME,
    kind::HTTPS,
    kind::SVCB,
    kind::SRV,
    kind::DNAME,
    kind::SOA,
    kind::NS,
    kind::DS,
    kind::PTR,
    kind::UNKNOWN,
    257,
    35,
    kind::ANY,
    252,
    253,
    254,
    kind::OPT,
];

impl Scene {
    /// Draws a scene from a seed.
    pub(crate) fn draw(seed: u64, questions: usize) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let count = NUMBERS_OF_A_WORLD + questions * NUMBERS_OF_A_QUESTION;
        let numbers: Vec<u16> = (0..count).map(|_| random.random()).collect();
        let mut choices = Choices::new(&numbers);
        let mut world = generate::world(&mut choices);
        let mut tables = generate::tables(&mut choices);
        for table in &mut tables {
            // BIND would set AD only for what it validated itself.
            table.ad = false;
            shapes::add(table);
        }
        // A name that no upstream knows, nor any above it (R19).
        world.endpoints.push(Endpoint {
            name: "inward".to_owned(),
            kind: Kind::Other,
            resource: None,
            ttl: 60,
            records: vec![("db.only.inward.example".to_owned(), vec![IpAddr::from([10, 90, 0, 1])])],
        });
        let inward = world.endpoints.len() - 1;
        for view in &mut world.views {
            view.endpoints.push(inward);
            view.unlisted_is_blocked &= choices.one_in(3);
        }
        let beside: Vec<String> = shapes::names().into_iter().chain(filed::names()).collect();
        let questions = (0..questions)
            .map(|_| {
                let client = generate::client(&mut choices, &world);
                let query = if choices.one_in(5) {
                    let name = owned(&mut choices, &world, client);
                    let kind = KINDS[choices.below(KINDS.len())];
                    generate::dressed(&mut choices, &name, kind)
                } else if choices.one_in(3) {
                    let name = &beside[choices.below(beside.len())];
                    let kind = KINDS[choices.below(KINDS.len())];
                    generate::dressed(&mut choices, name, kind)
                } else {
                    generate::query(&mut choices, &world)
                };
                (client, plainer(&mut choices, query))
            })
            .collect();
        Self { world, tables, questions }
    }

    /// hubdns's configuration without `version` and `[server]`, with the limits that BIND has too.
    pub(crate) fn configuration(&self, servers: &[String]) -> String {
        let zone = format!("[[zone]]\nname = \"filed\"\napex = \"{}\"\nfile = \"filed.zone\"\n", filed::APEX);
        let views = self.world.render(servers).replace("\nzones = [", "\nzones = [\"filed\", ");
        format!("[cache]\nserve-stale = \"0s\"\n{zone}{views}")
    }

    /// What the upstream group `upstream` says.
    pub(crate) fn upstream(&self, upstream: usize, name: &str, kind: u16) -> Script {
        shapes::answer(&self.tables[self.world.upstreams[upstream]], name, kind)
    }
}

/// A name that the client's view owns, or one above or below such a name.
fn owned(choices: &mut Choices<'_>, world: &World, client: IpAddr) -> String {
    let names: Vec<String> =
        world.view_of(client).map(|view| Sight { world, view }.owned().into_iter().collect()).unwrap_or_default();
    let Some(name) = names.get(choices.below(names.len())) else { return filed::APEX.to_owned() };
    match choices.below(5) {
        4 => ["only.inward.example", "inward.example"][choices.below(2)].to_owned(),
        0 => parent(name).filter(|above| *above != ".").unwrap_or(name).to_owned(),
        1 => format!("x.{name}"),
        _ => name.clone(),
    }
}

/// The same query, most of the time without what both servers answer before they look at the name.
fn plainer(choices: &mut Choices<'_>, mut query: Query) -> Query {
    if !choices.one_in(4) {
        (query.opcode, query.class) = (0, 1);
        query.opt = query.opt.map(|opt| Opt { version: 0, ..opt });
    } else if query.class == 3 {
        // BIND answers CHAOS from a view of its own, at three replies a second.
        query.class = 4;
    }
    query
}
