//! What the log says of an encrypted server: one line when it fails, one when it is back, none for each question.

use std::time::Duration;

use hickory_net::NetError;
use tokio::time::Instant;

use crate::upstream::Server;

/// How often one and the same trouble is told while it lasts.
const AGAIN: Duration = Duration::from_secs(60);
/// How often it is told of a server that comes and goes.
const ANEW: Duration = Duration::from_secs(10);
/// How much of a reason is told, in characters; some of it may be the server's own words.
const REASON: usize = 300;

/// What kind of trouble a server gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Certificate,
    Unreachable,
    Odd,
}

/// What was told of one server.
#[derive(Debug, Default)]
pub(super) struct Report {
    told: Option<(Trouble, Instant)>,
    skipped: u64,
    /// It was told that there is no connection, and not yet that there is one again.
    lost: bool,
}

impl Report {
    /// It could not be connected to.
    pub(super) fn failed(&mut self, server: &Server, error: &NetError) {
        let certificate = certificate_fault(error);
        let trouble = if certificate.is_some() { Trouble::Certificate } else { Trouble::Unreachable };
        let Some(skipped) = self.takes(trouble) else { return };
        self.lost = true;
        let name = server.transport.peer().map_or("", |peer| &peer.name);
        match certificate {
            Some(reason) => tracing::warn!(
                action = "certificate-refused", %server, expected = name, reason = plain(&reason), skipped,
                "the certificate of an upstream is refused; it is sent nothing"
            ),
            None => tracing::warn!(
                action = "unreachable", %server, expected = name, reason = plain(&error.to_string()), skipped,
                "an encrypted upstream cannot be reached"
            ),
        }
    }

    /// It sent what is no reply.
    pub(super) fn odd(&mut self, server: &Server, reason: &str) {
        if let Some(skipped) = self.takes(Trouble::Odd) {
            tracing::warn!(action = "no-reply", %server, reason = plain(reason), skipped, "an encrypted upstream does not answer");
        }
    }

    /// It was connected to.
    pub(super) fn reached(&mut self, server: &Server) {
        if std::mem::take(&mut self.lost) {
            tracing::info!(action = "reached", %server, "an encrypted upstream is reached again");
        }
    }

    /// How many were not told before this one, if it is to be told.
    fn takes(&mut self, trouble: Trouble) -> Option<u64> {
        let pause = if self.lost || trouble == Trouble::Odd { AGAIN } else { ANEW };
        if self.told.is_some_and(|(other, when)| other == trouble && when.elapsed() < pause) {
            self.skipped = self.skipped.saturating_add(1);
            return None;
        }
        self.told = Some((trouble, Instant::now()));
        Some(std::mem::take(&mut self.skipped))
    }
}

/// What rustls begins with where a certificate does not hold; QUIC hands on its words, not its error.
const INVALID: &str = "invalid peer certificate: ";

/// Why rustls refuses a certificate, if it is that.
fn certificate_fault(error: &NetError) -> Option<String> {
    let inner = match error {
        NetError::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()),
        NetError::RustlsError(error) => Some(error),
        _ => None,
    };
    match inner {
        Some(rustls::Error::InvalidCertificate(fault)) => Some(fault.to_string()),
        Some(rustls::Error::NoCertificatesPresented) => inner.map(ToString::to_string),
        Some(_) => None,
        None => error.to_string().split_once(INVALID).map(|(_, reason)| reason.to_owned()),
    }
}

/// A reason in one line without control characters.
fn plain(reason: &str) -> String {
    reason.chars().take(REASON).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::CertificateError;

    #[test]
    fn a_refused_certificate_is_told_from_other_troubles() {
        let of = |error: rustls::Error| certificate_fault(&std::io::Error::other(error).into());
        assert_eq!(of(CertificateError::Revoked.into()).as_deref(), Some("Revoked"));
        assert_eq!(of(rustls::Error::HandshakeNotComplete), None);
        assert_eq!(certificate_fault(&NetError::Timeout), None);
        let quic = std::io::Error::other(format!("handshake failed: {INVALID}UnknownIssuer"));
        assert_eq!(certificate_fault(&quic.into()).as_deref(), Some("UnknownIssuer"));
    }

    #[test]
    fn a_servers_words_are_one_short_line() {
        assert_eq!(plain("404\r\n\u{1b}[31mred\0"), "404   [31mred ");
        assert_eq!(plain(&"x".repeat(1_000)).len(), REASON);
    }
}
