//! A scripted upstream: UDP and TCP on one loopback port, a thread each, and one for replies that wait. What it answers
//! is a function of the question; it can wait, stay silent, lie, cut, refuse, and close or hold a TCP connection. It
//! keeps every query.

use super::message::{Opt, Rr, presentation};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The option code of cookies.
pub(crate) const COOKIE: u16 = 10;

/// How a query came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

/// One query as the upstream saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// In lower case, in presentation form.
    pub(crate) name: String,
    pub(crate) kind: u16,
    pub(crate) transport: Transport,
    pub(crate) from: SocketAddr,
    /// The whole message.
    pub(crate) octets: Vec<u8>,
    /// How many queries of this name and type came before this one.
    pub(crate) earlier: usize,
}

impl Seen {
    pub(crate) fn id(&self) -> u16 {
        u16::from_be_bytes([self.octets[0], self.octets[1]])
    }

    /// The octets of the question section.
    pub(crate) fn question(&self) -> &[u8] {
        let (_, length) = presentation(&self.octets[12..]);
        &self.octets[12..12 + length + 4]
    }

    /// What follows the question: the OPT record, if any.
    pub(crate) fn additional(&self) -> &[u8] {
        &self.octets[12 + self.question().len()..]
    }

    /// The options of its OPT record: code and data.
    pub(crate) fn options(&self) -> Vec<(u16, Vec<u8>)> {
        let (mut options, mut left) = (Vec::new(), self.additional().get(11..).unwrap_or(&[]));
        while let [code_high, code_low, high, low, rest @ ..] = left {
            let (data, others) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
            options.push((u16::from_be_bytes([*code_high, *code_low]), data.to_vec()));
            left = others;
        }
        options
    }

    /// Our own cookie and what the server gave (RFC 7873): the only option that a query may have.
    pub(crate) fn cookie(&self) -> Option<Vec<u8>> {
        let options = self.options();
        assert!(options.iter().all(|(code, _)| *code == COOKIE), "{options:02x?}");
        options.into_iter().next().map(|(_, data)| data)
    }

    /// The UDP size that the query allows.
    fn size(&self) -> usize {
        match self.additional() {
            [0, 0, 41, high, low, ..] => usize::from(u16::from_be_bytes([*high, *low])).max(512),
            _ => 512,
        }
    }
}

/// What the upstream does with one query.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) rcode: u8,
    pub(crate) aa: bool,
    pub(crate) ad: bool,
    pub(crate) ra: bool,
    pub(crate) tc: bool,
    pub(crate) answers: Vec<Rr>,
    pub(crate) authority: Vec<Rr>,
    pub(crate) additional: Vec<Rr>,
    /// Options of the reply's OPT record.
    pub(crate) options: Vec<(u16, Vec<u8>)>,
    /// Waited for before the reply leaves, without holding up other queries.
    pub(crate) delay: Duration,
    /// No reply at all; over TCP the connection stays open.
    pub(crate) silent: bool,
    /// Over TCP: the connection is closed instead of answered.
    pub(crate) close: bool,
    /// Over TCP: the connection is closed behind the reply.
    pub(crate) close_after: bool,
    /// Added to the id of the reply.
    pub(crate) wrong_id: u16,
    /// The question section of the reply, where it is not the query's.
    pub(crate) question: Option<Vec<u8>>,
    /// The count of questions that the header claims.
    pub(crate) questions: u16,
    /// The octets after the id, instead of a message.
    pub(crate) garbage: Option<Vec<u8>>,
    /// Sent as it is even where it exceeds the query's UDP size.
    pub(crate) oversized: bool,
    /// So many octets of the reply are sent; over TCP the frame says how many it would be.
    pub(crate) cut: Option<usize>,
    /// Replies sent before this one.
    pub(crate) before: Vec<Script>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            rcode: 0,
            aa: false,
            ad: false,
            ra: true,
            tc: false,
            answers: Vec::new(),
            authority: Vec::new(),
            additional: Vec::new(),
            options: Vec::new(),
            delay: Duration::ZERO,
            silent: false,
            close: false,
            close_after: false,
            wrong_id: 0,
            question: None,
            questions: 1,
            garbage: None,
            oversized: false,
            cut: None,
            before: Vec::new(),
        }
    }
}

impl Script {
    /// NOERROR with these records.
    pub(crate) fn records(answers: Vec<Rr>) -> Self {
        Self { answers, ..Self::default() }
    }

    /// A bare RCODE.
    pub(crate) fn rcode(rcode: u8) -> Self {
        Self { rcode, ..Self::default() }
    }

    /// NXDOMAIN with a zone's SOA.
    pub(crate) fn nxdomain(zone: &str) -> Self {
        Self { rcode: 3, authority: vec![Rr::soa(zone, 300, 60)], ..Self::default() }
    }

    /// NOERROR without data, with a zone's SOA.
    pub(crate) fn nodata(zone: &str) -> Self {
        Self { authority: vec![Rr::soa(zone, 300, 60)], ..Self::default() }
    }

    pub(crate) fn silence() -> Self {
        Self { silent: true, ..Self::default() }
    }

    pub(crate) fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// This reply comes after others.
    pub(crate) fn after(mut self, before: Vec<Script>) -> Self {
        self.before = before;
        self
    }

    /// The reply as octets, cut to an empty TC=1 where a datagram would be too large.
    pub(crate) fn encode(&self, seen: &Seen) -> Vec<u8> {
        let mut out = seen.id().wrapping_add(self.wrong_id).to_be_bytes().to_vec();
        if let Some(garbage) = &self.garbage {
            out.extend_from_slice(garbage);
            return out;
        }
        let whole = self.sections(seen, out.clone(), self.tc, true);
        if seen.transport == Transport::Udp && whole.len() > seen.size() && !self.oversized {
            return self.sections(seen, out, true, false);
        }
        whole
    }

    fn sections(&self, seen: &Seen, mut out: Vec<u8>, tc: bool, with_records: bool) -> Vec<u8> {
        let [third, fourth] = [seen.octets[2], seen.octets[3]];
        out.push(0x80 | (third & 0x79) | (u8::from(self.aa) << 2) | (u8::from(tc) << 1));
        out.push((u8::from(self.ra) << 7) | (u8::from(self.ad) << 5) | (fourth & 0x10) | (self.rcode & 0x0f));
        let sections: [&[Rr]; 3] =
            if with_records { [&self.answers, &self.authority, &self.additional] } else { [&[], &[], &[]] };
        let opt = !seen.additional().is_empty();
        let mut counts = sections.map(|records| u16::try_from(records.len()).expect("few records"));
        counts[2] += u16::from(opt);
        out.extend_from_slice(&self.questions.to_be_bytes());
        for count in counts {
            out.extend_from_slice(&count.to_be_bytes());
        }
        if self.questions > 0 {
            out.extend_from_slice(self.question.as_deref().unwrap_or_else(|| seen.question()));
        }
        for record in sections.into_iter().flatten() {
            record.write(&mut out);
        }
        if opt {
            Opt { options: self.options.clone(), ..Opt::default() }.write(&mut out);
        }
        out
    }
}

/// What answers: called on the upstream's threads.
type Answer = dyn Fn(&Seen) -> Script + Send + Sync;

/// Every query, and how many came for a name and type.
#[derive(Default)]
struct Log {
    seen: Vec<Seen>,
    counts: HashMap<(String, u16), usize>,
}

/// What the upstream's threads and its owner share.
struct Shared {
    answer: Mutex<Arc<Answer>>,
    log: Mutex<Log>,
    changed: Condvar,
    stopped: AtomicBool,
}

/// A running upstream. It ends when dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// How long a thread waits before it looks whether the upstream has ended.
const TICK: Duration = Duration::from_millis(50);

impl Upstream {
    /// Starts on a free port of 127.0.0.1.
    pub(crate) fn start(answer: impl Fn(&Seen) -> Script + Send + Sync + 'static) -> Self {
        for _ in 0..50 {
            let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a UDP port");
            let address = udp.local_addr().expect("an address");
            if let Ok(tcp) = TcpListener::bind(address) {
                return Self::run(address, udp, Some(tcp), Arc::new(answer));
            }
        }
        panic!("no port that is free over UDP and TCP");
    }

    /// Starts on a given address, say to take an upstream back that was gone.
    pub(crate) fn start_at(address: SocketAddr, answer: impl Fn(&Seen) -> Script + Send + Sync + 'static) -> Self {
        let udp = UdpSocket::bind(address).expect("the UDP port is free");
        let tcp = TcpListener::bind(address).expect("the TCP port is free");
        Self::run(address, udp, Some(tcp), Arc::new(answer))
    }

    /// Starts over UDP alone, on a port that is free over TCP too: it is closed, or a test's own.
    pub(crate) fn start_without_tcp(answer: impl Fn(&Seen) -> Script + Send + Sync + 'static) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, super::port::free()));
        let udp = UdpSocket::bind(address).expect("the UDP port is free");
        Self::run(address, udp, None, Arc::new(answer))
    }

    fn run(address: SocketAddr, udp: UdpSocket, tcp: Option<TcpListener>, answer: Arc<Answer>) -> Self {
        let shared = Arc::new(Shared {
            answer: Mutex::new(answer),
            log: Mutex::default(),
            changed: Condvar::new(),
            stopped: AtomicBool::new(false),
        });
        udp.set_read_timeout(Some(TICK)).expect("a read timeout");
        let datagrams = Arc::clone(&shared);
        let streams = Arc::clone(&shared);
        let late = udp.try_clone().expect("a second descriptor");
        let (later, waiting) = channel();
        let mut threads = vec![
            std::thread::spawn(move || serve_datagrams(&udp, &datagrams, &later)),
            std::thread::spawn(move || send_later(&late, &waiting)),
        ];
        threads.extend(tcp.map(|tcp| std::thread::spawn(move || serve_streams(&tcp, &streams))));
        Self { address, shared, threads }
    }

    /// Replaces what answers from now on.
    pub(crate) fn set(&self, answer: impl Fn(&Seen) -> Script + Send + Sync + 'static) {
        *lock(&self.shared.answer) = Arc::new(answer);
    }

    /// Every query so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        lock(&self.shared.log).seen.clone()
    }

    /// How many queries came for a name, any type.
    pub(crate) fn count(&self, name: &str) -> usize {
        lock(&self.shared.log).seen.iter().filter(|seen| seen.name == name).count()
    }

    /// How many queries came in all.
    pub(crate) fn total(&self) -> usize {
        lock(&self.shared.log).seen.len()
    }

    /// Waits until a query for a name has come in, `count` times in all.
    ///
    /// # Panics
    /// When that takes longer than 10 s.
    pub(crate) fn wait_for(&self, name: &str, count: usize) {
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut log = lock(&self.shared.log);
        while log.seen.iter().filter(|one| one.name == name).count() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the upstream was not asked {count} times for {name}: {:?}", log.seen);
            log = self.shared.changed.wait_timeout(log, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// As a `servers` entry of the configuration.
    pub(crate) fn server(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        drop(TcpStream::connect(self.address));
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// A lock that a failed assertion on another thread does not poison for this one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes a query and says what to do with it; `None` for what is no query with one question.
fn take(shared: &Shared, octets: &[u8], from: SocketAddr, transport: Transport) -> Option<(Seen, Script)> {
    if octets.len() < 17 || octets[2] & 0x80 != 0 || octets[4..6] != [0, 1] {
        return None;
    }
    let (mut name, length) = presentation(&octets[12..]);
    if name.is_empty() {
        name.push('.');
    }
    let kind = octets.get(12 + length..14 + length)?;
    let kind = u16::from_be_bytes([kind[0], kind[1]]);
    octets.get(12 + length + 4 - 1)?;
    let mut seen = Seen { name, kind, transport, from, octets: octets.to_vec(), earlier: 0 };
    if is_mark(&seen) {
        // Nobody waits for it, and a script that is dead or stands at a door must not seem to live.
        return Some((seen, Script::silence()));
    }
    {
        let mut log = lock(&shared.log);
        let count = log.counts.entry((seen.name.clone(), kind)).or_default();
        seen.earlier = *count;
        *count += 1;
        log.seen.push(seen.clone());
    }
    shared.changed.notify_all();
    let answer = Arc::clone(&lock(&shared.answer));
    let script = answer(&seen);
    Some((seen, script))
}

/// Whether a query is the server's own look for loops of forwarders; it is no client's, so it is not counted.
pub(crate) fn is_mark(seen: &Seen) -> bool {
    let is_drawn = |label: &str| label.len() == 16 && label.bytes().all(|octet| octet.is_ascii_hexdigit());
    seen.kind == 13 && seen.name.split('.').count() == 2 && seen.name.split('.').all(is_drawn)
}

/// A reply that waits: when it leaves, what number it has, its octets and whom it is for.
type Late = Reverse<(Instant, usize, Vec<u8>, SocketAddr)>;

fn serve_datagrams(socket: &UdpSocket, shared: &Shared, later: &Sender<Late>) {
    let mut octets = [0; 65535];
    let mut number = 0;
    while !shared.stopped.load(Ordering::Acquire) {
        let Ok((length, from)) = socket.recv_from(&mut octets) else { continue };
        let Some((seen, script)) = take(shared, &octets[..length], from, Transport::Udp) else { continue };
        for one in script.before.iter().chain([&script]).filter(|one| !one.silent) {
            let mut reply = one.encode(&seen);
            reply.truncate(one.cut.unwrap_or(usize::MAX));
            if one.delay.is_zero() {
                let _ = socket.send_to(&reply, from);
            } else {
                number += 1;
                let _ = later.send(Reverse((Instant::now() + one.delay, number, reply, from)));
            }
        }
    }
}

/// Sends each reply when its time has come, until nobody is left to make one.
fn send_later(socket: &UdpSocket, coming: &Receiver<Late>) {
    let mut waiting = BinaryHeap::new();
    loop {
        let now = Instant::now();
        while waiting.peek().is_some_and(|Reverse((due, ..)): &Late| *due <= now)
            && let Some(Reverse((_, _, reply, to))) = waiting.pop()
        {
            let _ = socket.send_to(&reply, to);
        }
        let next = waiting.peek().map(|Reverse((due, ..))| due.saturating_duration_since(now));
        match coming.recv_timeout(next.unwrap_or(TICK)) {
            Ok(late) => waiting.push(late),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn serve_streams(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stopped.load(Ordering::Acquire) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            let _ = serve_stream(stream, &shared);
        });
    }
}

/// One connection, until the other side, a script or the end of the upstream closes it.
fn serve_stream(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let from = stream.peer_addr()?;
    stream.set_nodelay(true)?;
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut octets = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut octets)?;
        if shared.stopped.load(Ordering::Acquire) {
            return stream.shutdown(Shutdown::Both);
        }
        let Some((seen, script)) = take(shared, &octets, from, Transport::Tcp) else { continue };
        if script.close {
            return stream.shutdown(Shutdown::Both);
        }
        std::thread::sleep(script.delay);
        for one in script.before.iter().chain([&script]).filter(|one| !one.silent) {
            let reply = one.encode(&seen);
            let mut framed = u16::try_from(reply.len()).expect("a reply fits a frame").to_be_bytes().to_vec();
            framed.extend(reply);
            framed.truncate(one.cut.map_or(usize::MAX, |cut| 2 + cut));
            stream.write_all(&framed)?;
        }
        if script.close_after {
            return stream.shutdown(Shutdown::Both);
        }
    }
}
