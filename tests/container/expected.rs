//! What each spoke's clients ask, what they must get, and the count of everything else.

use std::fmt;
use std::net::IpAddr;

use crate::harness::message::{kind, wire_name};
use crate::harness::reply::rcode;
use crate::harness::{Query, Reply};
use crate::world::{POOL, WORKSPACE};

/// What a reply has to be.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Just this address, which the view owns.
    Own(IpAddr),
    /// Just this address, from an upstream.
    Forwarded(IpAddr),
    /// Just this pointer.
    Pointer(String),
    NoSuchName,
}

/// One question.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) name: String,
    pub(crate) kind: u16,
    pub(crate) answer: Answer,
}

fn address(name: &str, text: &str, answer: fn(IpAddr) -> Answer) -> Asked {
    let answer = answer(text.parse().expect("an address"));
    Asked { name: name.to_owned(), kind: kind::A, answer }
}

/// The questions of a spoke's clients.
pub(crate) fn questions(spoke: &str) -> Vec<Asked> {
    let own = |name: &str, text: &str| address(name, text, Answer::Own);
    let forwarded = |name: &str, text: &str| address(name, text, Answer::Forwarded);
    let missing = |name: &str, kind| Asked { name: name.to_owned(), kind, answer: Answer::NoSuchName };
    let pointer = |name: &str, target: &str| Asked {
        name: name.to_owned(),
        kind: kind::PTR,
        answer: Answer::Pointer(target.to_owned()),
    };
    let second = match spoke {
        "avd" => 10,
        "hosts" => 20,
        "iso" => 30,
        _ => 40,
    };
    let at = |last: u8| format!("10.{second}.200.{last}");
    let broker = format!("{POOL}.rdbroker.wvd.microsoft.com");
    let mut all = vec![
        own(&broker, &at(7)),
        own(&format!("{POOL}.rdbroker.privatelink.wvd.microsoft.com"), &at(7)),
        own(&format!("{POOL}.rddiagnostics-g-us-r0.wvd.microsoft.com"), &at(8)),
        own(&format!("{POOL}.afdfp-rdgateway.wvd.microsoft.com"), &at(9)),
        // The platform's alias leads to a name that this view owns: it re-enters.
        own("desk.alias.example", &at(7)),
        pointer(&format!("7.200.{second}.10.in-addr.arpa"), &broker),
        forwarded("www.public.example", "203.0.113.10"),
        forwarded("db1.linked.example", "10.50.0.5"),
        missing("none.public.example", kind::A),
    ];
    let (global, workspace) = ("rdweb.wvd.microsoft.com", format!("{WORKSPACE}.wvd.microsoft.com"));
    if spoke == "hosts" {
        // Session hosts have the pool alone: discovery and feed are public for them.
        all.push(forwarded(global, "203.0.113.67"));
        all.push(forwarded(&workspace, "203.0.113.68"));
    } else {
        all.push(own(global, &at(4)));
        all.push(own(&workspace, &at(5)));
    }
    all.push(match spoke {
        "avd" | "hosts" => own("acct1.blob.core.windows.net", "10.100.50.4"),
        "iso" => own("acct1.blob.core.windows.net", "10.30.50.4"),
        _ => forwarded("acct1.blob.core.windows.net", "203.0.113.80"),
    });
    if spoke == "iso" {
        // No route on premises: what the public says, and nothing for a private reverse name (RFC 6303).
        all.push(forwarded("app.corp.example", "203.0.113.99"));
        all.push(missing("9.9.30.172.in-addr.arpa", kind::PTR));
    } else {
        all.push(forwarded("app.corp.example", "172.30.9.9"));
        all.push(forwarded("app.alias.example", "172.30.9.9"));
        all.push(missing("none.corp.example", kind::A));
        all.push(pointer("9.9.30.172.in-addr.arpa", "app.corp.example"));
    }
    // Another view's address has no name here.
    let other = if spoke == "avd" { "7.200.20.10.in-addr.arpa" } else { "4.200.10.10.in-addr.arpa" };
    all.push(missing(other, kind::PTR));
    all
}

impl Asked {
    pub(crate) fn query(&self) -> Query {
        Query::new(&self.name, self.kind).with_opt()
    }

    /// Whether a reply is what it has to be.
    pub(crate) fn is_met(&self, reply: &Reply) -> bool {
        match &self.answer {
            Answer::Own(address) | Answer::Forwarded(address) => {
                reply.rcode() == rcode::NOERROR && reply.addresses() == [*address]
            }
            Answer::Pointer(target) => {
                let data = wire_name(target);
                reply.rcode() == rcode::NOERROR
                    && reply.answers().iter().all(|own| own.data == data)
                    && reply.answers().len() == 1
            }
            Answer::NoSuchName => reply.rcode() == rcode::NXDOMAIN && reply.answers().is_empty(),
        }
    }
}

/// How many replies were not what they have to be, each once.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) asked: usize,
    /// No reply.
    pub(crate) lost: usize,
    /// An address that only another view has.
    pub(crate) crossed: usize,
    /// A public address for a name that the view owns.
    pub(crate) public: usize,
    /// Anything else.
    pub(crate) wrong: usize,
    /// The first that was not right.
    pub(crate) first: Option<String>,
}

impl Tally {
    /// Counts one reply.
    pub(crate) fn note(&mut self, spoke: &str, asked: &Asked, reply: Option<&Reply>) {
        self.asked += 1;
        let Some(reply) = reply else {
            self.lost += 1;
            return self.keep(spoke, asked, "no reply".to_owned());
        };
        if asked.is_met(reply) {
            return;
        }
        let own =
            |address: &IpAddr| matches!(&asked.answer, Answer::Own(own) | Answer::Forwarded(own) if own == address);
        let others: Vec<_> = reply.addresses().into_iter().filter(|address| !own(address)).collect();
        let is_private = |address: &IpAddr| matches!(address, IpAddr::V4(four) if four.is_private());
        if others.iter().any(is_private) {
            self.crossed += 1;
        } else if !others.is_empty() && matches!(asked.answer, Answer::Own(_)) {
            self.public += 1;
        } else {
            self.wrong += 1;
        }
        self.keep(spoke, asked, format!("{:?}", reply.message));
    }

    fn keep(&mut self, spoke: &str, asked: &Asked, what: String) {
        self.first.get_or_insert_with(|| format!("{spoke}: {asked:?}: {what}"));
    }

    /// Takes another's counts in.
    pub(crate) fn add(&mut self, other: Self) {
        self.asked += other.asked;
        self.lost += other.lost;
        self.crossed += other.crossed;
        self.public += other.public;
        self.wrong += other.wrong;
        self.first = self.first.take().or(other.first);
    }

    /// # Panics
    /// When any reply was not what it has to be.
    pub(crate) fn assert_clean(&self) {
        assert_eq!((self.lost, self.crossed, self.public, self.wrong), (0, 0, 0, 0), "{self}");
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, lost, crossed, public, wrong, first } = self;
        write!(f, "{asked} asked: {lost} lost, {crossed} crossed, {public} public, {wrong} wrong")?;
        if let Some(first) = first { write!(f, "; first: {first}") } else { Ok(()) }
    }
}
