//! The names that AVD's clients, session hosts and sign-in need beside those of private endpoints.
//!
//! Microsoft's list (azure-docs, `required-fqdn-endpoint.md`) as of [`DATED`]. None of these names is private by Private
//! Link for AVD. Of clouds other than Azure the list has AVD's own names alone.

/// The month of the list.
pub const DATED: &str = "2024-06";

/// Who needs a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Clients.
    Clients,
    /// Session hosts.
    Hosts,
    /// Both.
    Both,
}

impl Who {
    /// A word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Clients => "clients",
            Self::Hosts => "session hosts",
            Self::Both => "clients, session hosts",
        }
    }
}

/// One name, or the names below one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// The name; `*.` in front where only the parent of the names is known.
    pub name: &'static str,
    /// Who needs it.
    pub who: Who,
    /// Whether AVD works without it.
    pub optional: bool,
    /// What the list says of it; empty where nothing.
    pub purpose: &'static str,
}

impl Need {
    /// The parent of names of which nothing more is known.
    pub fn parent(&self) -> Option<&'static str> {
        self.name.strip_prefix("*.")
    }
}

const fn need(name: &'static str, who: Who, purpose: &'static str) -> Need {
    Need { name, who, optional: false, purpose }
}

const fn optional(name: &'static str, who: Who, purpose: &'static str) -> Need {
    Need { name, who, optional: true, purpose }
}

/// The names outside AVD's own suffixes, for Azure.
pub const AZURE: &[Need] = &[
    need("login.microsoftonline.com", Who::Both, "sign-in"),
    optional("login.windows.net", Who::Both, "sign-in"),
    need("world.relay.avd.microsoft.com", Who::Both, "relay"),
    need("*.prod.warm.ingest.monitor.core.windows.net", Who::Hosts, "monitoring"),
    need("gcs.prod.monitoring.core.windows.net", Who::Hosts, "monitoring"),
    need("catalogartifact.azureedge.net", Who::Hosts, ""),
    need("mrsglobalsteus2prod.blob.core.windows.net", Who::Hosts, ""),
    need("wvdportalstorageblob.blob.core.windows.net", Who::Hosts, ""),
    need("azkms.core.windows.net", Who::Hosts, ""),
    need("oneocsp.microsoft.com", Who::Hosts, ""),
    need("www.microsoft.com", Who::Hosts, ""),
    optional("*.events.data.microsoft.com", Who::Hosts, ""),
    optional("www.msftconnecttest.com", Who::Hosts, ""),
    optional("*.prod.do.dsp.mp.microsoft.com", Who::Hosts, ""),
    optional("*.sfx.ms", Who::Hosts, ""),
    optional("*.digicert.com", Who::Hosts, ""),
    optional("*.azure-dns.com", Who::Hosts, ""),
    optional("*.azure-dns.net", Who::Hosts, ""),
    need("*.servicebus.windows.net", Who::Clients, ""),
    need("go.microsoft.com", Who::Clients, ""),
    need("aka.ms", Who::Clients, ""),
    need("learn.microsoft.com", Who::Clients, ""),
    need("privacy.microsoft.com", Who::Clients, ""),
    need("query.prod.cms.rt.microsoft.com", Who::Clients, ""),
];

/// A name of AVD's own: a label in front of a cloud's public suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Own {
    /// The label.
    pub label: &'static str,
    /// The public suffixes that it was seen under.
    pub under: &'static [&'static str],
    /// Who needs it.
    pub who: Who,
    /// The process or purpose.
    pub purpose: &'static str,
}

/// Initial feed discovery; private where a view has a global endpoint.
pub const DISCOVERY: Own =
    Own { label: "rdweb", under: &["wvd.microsoft.com"], who: Who::Clients, purpose: "initial feed discovery" };

/// AVD's own names without a GUID that are known by name and have no private form.
pub const OWN: &[Own] = &[
    Own { label: "client", under: &["wvd.microsoft.com"], who: Who::Clients, purpose: "web client" },
    Own { label: "afdfp-rdgateway-r0", under: GATEWAY_CLOUDS, who: Who::Both, purpose: "gateway discovery" },
    Own { label: "afdfp-rdgateway-r1", under: GATEWAY_CLOUDS, who: Who::Both, purpose: "gateway discovery" },
];

const GATEWAY_CLOUDS: &[&str] = &["wvd.microsoft.com", "wvd.azure.us"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_listed_once_and_in_lower_case() {
        for (index, need) in AZURE.iter().enumerate() {
            assert!(AZURE.iter().skip(index + 1).all(|other| other.name != need.name), "{}", need.name);
            assert_eq!(need.name, need.name.to_ascii_lowercase());
            assert!(!need.parent().unwrap_or(need.name).contains('*'));
        }
    }
}
