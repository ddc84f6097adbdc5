//! Whose certificates are believed: the authorities of a PEM file, and what tells two sets of them apart.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use ring::digest;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};

/// A set of trusted authorities. Equal sets are equal whatever file they came from, in whatever order.
#[derive(Clone)]
pub struct Trust {
    roots: Arc<RootCertStore>,
    /// SHA-256 over the certificates, in the order of their own digests.
    digest: [u8; 32],
}

/// Why a file gives no authorities.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// No `CERTIFICATE` section is in it.
    #[error("it holds no certificate")]
    Empty,
    /// A section is not PEM.
    #[error("certificate {number} is not PEM: {reason}")]
    Pem {
        /// Counted from 1.
        number: usize,
        /// What the decoder says.
        reason: String,
    },
    /// A certificate cannot be read.
    #[error("certificate {number} cannot be used: {reason}")]
    Certificate {
        /// Counted from 1.
        number: usize,
        /// What the decoder says.
        reason: String,
    },
}

impl Trust {
    /// No authority: every certificate is refused.
    pub fn nobody() -> Self {
        Self::of(RootCertStore::empty(), Vec::new())
    }

    /// The certificates of a PEM text; each of them must be sound. Other sections are passed over.
    ///
    /// # Errors
    /// The first fault.
    pub fn from_pem(text: &[u8]) -> Result<Self, TrustError> {
        let (mut roots, mut digests) = (RootCertStore::empty(), Vec::new());
        for (number, certificate) in (1..).zip(CertificateDer::pem_slice_iter(text)) {
            let certificate = certificate.map_err(|error| TrustError::Pem { number, reason: error.to_string() })?;
            digests.push(sha256(&certificate));
            roots.add(certificate).map_err(|error| TrustError::Certificate { number, reason: error.to_string() })?;
        }
        if digests.is_empty() { Err(TrustError::Empty) } else { Ok(Self::of(roots, digests)) }
    }

    /// As [`Trust::from_pem`] for a system's bundle, whose odd ones are nobody's fault here: they are passed over.
    ///
    /// # Errors
    /// When nothing is left.
    pub fn from_bundle(text: &[u8]) -> Result<Self, TrustError> {
        let (mut roots, mut digests) = (RootCertStore::empty(), Vec::new());
        for certificate in CertificateDer::pem_slice_iter(text).flatten() {
            let digest = sha256(&certificate);
            if roots.add(certificate).is_ok() {
                digests.push(digest);
            }
        }
        if digests.is_empty() { Err(TrustError::Empty) } else { Ok(Self::of(roots, digests)) }
    }

    fn of(roots: RootCertStore, mut digests: Vec<[u8; 32]>) -> Self {
        digests.sort_unstable();
        digests.dedup();
        Self { roots: Arc::new(roots), digest: sha256(&digests.concat()) }
    }

    /// What stands for the set where it is compared or hashed.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// How many authorities there are.
    pub fn len(&self) -> usize {
        self.roots.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// As rustls wants them.
    pub(super) fn roots(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.roots)
    }
}

impl PartialEq for Trust {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Trust {}

impl Hash for Trust {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.digest;
        write!(f, "Trust({} authorities, {a:02x}{b:02x}{c:02x}{d:02x})", self.len())
    }
}

/// The other end of an encrypted connection: the name that its certificate must have, and who may have signed it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Peer {
    /// A DNS name, or an address in text.
    pub name: Arc<str>,
    /// The authorities.
    pub trust: Trust,
}

impl Peer {
    /// A peer; none where a certificate cannot have that name.
    pub fn new(name: &str, trust: Trust) -> Option<Self> {
        ServerName::try_from(name).ok()?;
        Some(Self { name: name.into(), trust })
    }
}

fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, octets).as_ref());
    out
}

#[cfg(test)]
pub(in crate::upstream) mod tests {
    use super::*;

    /// The certificate of a new authority.
    pub(in crate::upstream) fn authority() -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.self_signed(&key).unwrap().pem()
    }

    #[test]
    fn equal_authorities_are_one_trust_in_any_order() {
        let (one, two) = (authority(), authority());
        let trust = |text: &str| Trust::from_pem(text.as_bytes()).unwrap();
        assert_eq!(trust(&format!("{one}{two}")), trust(&format!("a remark\n{two}{one}{two}")));
        assert_ne!(trust(&one), trust(&two));
        assert_ne!(trust(&one), Trust::nobody());
        assert_eq!(trust(&one), Trust::from_bundle(one.as_bytes()).unwrap());
    }

    #[test]
    fn what_is_no_certificate_is_told() {
        let good = authority();
        let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let read = |text: &str| Trust::from_pem(text.as_bytes());
        assert_eq!(read("").unwrap_err(), TrustError::Empty);
        assert_eq!(read(&key).unwrap_err(), TrustError::Empty);
        let error = read(&format!("{good}{bad}")).unwrap_err();
        assert!(matches!(error, TrustError::Certificate { number: 2, .. }), "{error}");
        let open = read("-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap_err();
        assert!(matches!(open, TrustError::Pem { number: 1, .. }), "{open}");
        assert_eq!(Trust::from_bundle(format!("{bad}{good}").as_bytes()).unwrap(), read(&good).unwrap());
    }

    #[test]
    fn a_peer_has_a_name_that_a_certificate_can_have() {
        for name in ["dns.example", "9.9.9.9", "a_b.example"] {
            assert!(Peer::new(name, Trust::nobody()).is_some(), "{name}");
        }
        for name in [".", "", "a b.example"] {
            assert!(Peer::new(name, Trust::nobody()).is_none(), "{name}");
        }
    }
}
