//! `[[upstream]]` → [`Group`], with the authorities that its encrypted servers are checked against.

use std::path::{Path, PathBuf};

use super::files::{self, Files};
use crate::config::spec::{CaseMode, Policy, Spec, UpstreamSpec};
use crate::config::value::{self, Transport};
use crate::config::{Finding, Spanned, codes};
use crate::upstream::{self, CaseMixing, Group, Peer, Trust};

/// The largest file of certificates, in octets.
const LARGEST_CERTIFICATES: u64 = 16 << 20;

/// Makes all groups of a spec.
pub(super) fn build(
    spec: &Spec,
    files: &dyn Files,
    read: &mut Vec<PathBuf>,
    findings: &mut Vec<Finding>,
) -> Vec<Group> {
    let mut maker = Maker { files, read, findings, own: Vec::new(), system: None };
    spec.upstreams.iter().map(|own| maker.group(own)).collect()
}

/// Reads certificates, each file once.
struct Maker<'m> {
    files: &'m dyn Files,
    read: &'m mut Vec<PathBuf>,
    findings: &'m mut Vec<Finding>,
    own: Vec<(PathBuf, Trust)>,
    system: Option<Trust>,
}

impl Maker<'_> {
    /// An upstream as the exchange has it.
    fn group(&mut self, spec: &UpstreamSpec) -> Group {
        let trust = self.trust(spec);
        let servers = spec.servers.iter().enumerate();
        Group {
            name: spec.name.value.as_str().into(),
            servers: servers.filter_map(|(index, own)| self.server(spec, index, own, &trust)).collect(),
            policy: match spec.policy.value {
                Policy::Ordered => upstream::Policy::Ordered,
                Policy::RoundRobin => upstream::Policy::RoundRobin,
                Policy::Fastest => upstream::Policy::Fastest,
                Policy::Race => upstream::Policy::Race,
            },
            timeout: spec.timeout.value,
            max_in_flight: spec.max_in_flight.as_ref().map(|cap| cap.value),
            max_qps: spec.max_qps.as_ref().map(|cap| cap.value),
            case: match spec.case.value {
                CaseMode::Auto => CaseMixing::Auto,
                CaseMode::On => CaseMixing::On,
                CaseMode::Off => CaseMixing::Off,
            },
        }
    }

    /// A server as the exchange has it; none where no certificate can have its name.
    fn server(
        &mut self,
        spec: &UpstreamSpec,
        index: usize,
        own: &Spanned<value::Server>,
        trust: &Trust,
    ) -> Option<upstream::Server> {
        let mut peer = |name: &crate::config::DnsName| {
            let peer = Peer::new(&name.to_string(), trust.clone());
            if peer.is_none() {
                let message = format!("no certificate can have the name {name}");
                let key = format!("{}.servers[{index}]", spec.path);
                self.findings.push(Finding::new(&codes::BAD_SERVER, own.place.clone(), key, message));
            }
            peer
        };
        let transport = match &own.value.transport {
            Transport::Plain => upstream::Transport::Plain,
            Transport::Tls { name } => upstream::Transport::Tls(peer(name)?),
            Transport::Https { name, path } => upstream::Transport::Https(peer(name)?, path.as_str().into()),
            Transport::Quic { name } => upstream::Transport::Quic(peer(name)?),
        };
        Some(upstream::Server { address: own.value.address, transport })
    }

    /// Whom an upstream's servers are checked against; nobody where there is a fault, which is found, or no need.
    fn trust(&mut self, spec: &UpstreamSpec) -> Trust {
        match &spec.ca {
            Some(ca) => self.own(ca, &format!("{}.ca", spec.path)),
            None if spec.encrypted() => self.system(spec),
            None => Trust::nobody(),
        }
    }

    /// The authorities of a file.
    fn own(&mut self, ca: &Spanned<String>, key: &str) -> Trust {
        let path = files::beside(&ca.place, &ca.value);
        if let Some((_, trust)) = self.own.iter().find(|(other, _)| *other == path) {
            return trust.clone();
        }
        let trust = match self.files.read(&path, LARGEST_CERTIFICATES) {
            Err(error) => {
                self.findings.push(files::unreadable(&path, &error, &ca.place, key));
                Trust::nobody()
            }
            Ok(text) => {
                self.note(&path);
                Trust::from_pem(text.as_bytes()).unwrap_or_else(|error| {
                    let message = format!("{}: {error}", path.display());
                    self.findings.push(
                        Finding::new(&codes::BAD_CERTIFICATES, ca.place.clone(), key, message)
                            .hint("`ca` takes the certificates of authorities as PEM"),
                    );
                    Trust::nobody()
                })
            }
        };
        self.own.push((path, trust.clone()));
        trust
    }

    /// The system's authorities.
    fn system(&mut self, spec: &UpstreamSpec) -> Trust {
        if let Some(trust) = &self.system {
            return trust.clone();
        }
        let bundle = self.files.system_certificates();
        let found = bundle.as_ref().and_then(|(path, octets)| Some((path, Trust::from_bundle(octets).ok()?)));
        let trust = match found {
            Some((path, trust)) => {
                self.note(path);
                trust
            }
            None => {
                let message = "this system has no trusted certificates to check the servers against".to_owned();
                let place = spec.name.place.clone();
                self.findings.push(
                    Finding::new(&codes::NO_AUTHORITIES, place, spec.path.clone(), message)
                        .hint("set `ca`, or install the system's bundle (ca-certificates)"),
                );
                Trust::nobody()
            }
        };
        self.system = Some(trust.clone());
        trust
    }

    /// A file was read.
    fn note(&mut self, path: &Path) {
        if !self.read.iter().any(|other| other == path) {
            self.read.push(path.to_owned());
        }
    }
}

/// Where systems keep the certificates that they trust, in one file.
const BUNDLES: &[&str] = &[
    // Debian, Alpine, our image
    "/etc/ssl/certs/ca-certificates.crt",
    // Fedora and its relatives
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    // SUSE
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The system's bundle: what `SSL_CERT_FILE` names, else the first that is there.
pub(super) fn system_bundle() -> Option<(PathBuf, Vec<u8>)> {
    let read = |path: &Path| {
        let fits = std::fs::metadata(path).is_ok_and(|own| own.is_file() && own.len() <= LARGEST_CERTIFICATES);
        std::fs::read(path).ok().filter(|_| fits).map(|octets| (path.to_owned(), octets))
    };
    match std::env::var_os("SSL_CERT_FILE") {
        Some(path) => read(Path::new(&path)),
        None => BUNDLES.iter().find_map(|path| read(Path::new(path))),
    }
}
