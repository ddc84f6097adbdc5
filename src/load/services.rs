//! The well-known Azure services: private-link zone and the public suffix beside it.
//!
//! From Microsoft's list of private DNS zone values (azure-docs, `private-endpoint-dns.md`), read on
//! 2026-11-01; only services whose names are the same under both suffixes. AVD's own suffixes are
//! not here: they are endpoints, never zones (R16).

/// (private zone, public suffix).
static SERVICES: &[(&str, &str)] = &[
    ("privatelink.blob.core.windows.net", "blob.core.windows.net"),
    ("privatelink.file.core.windows.net", "file.core.windows.net"),
    ("privatelink.queue.core.windows.net", "queue.core.windows.net"),
    ("privatelink.table.core.windows.net", "table.core.windows.net"),
    ("privatelink.dfs.core.windows.net", "dfs.core.windows.net"),
    ("privatelink.web.core.windows.net", "web.core.windows.net"),
    ("privatelink.vaultcore.azure.net", "vault.azure.net"),
    ("privatelink.managedhsm.azure.net", "managedhsm.azure.net"),
    ("privatelink.database.windows.net", "database.windows.net"),
    ("privatelink.mysql.database.azure.com", "mysql.database.azure.com"),
    ("privatelink.postgres.database.azure.com", "postgres.database.azure.com"),
    ("privatelink.mariadb.database.azure.com", "mariadb.database.azure.com"),
    ("privatelink.documents.azure.com", "documents.azure.com"),
    ("privatelink.mongo.cosmos.azure.com", "mongo.cosmos.azure.com"),
    ("privatelink.cassandra.cosmos.azure.com", "cassandra.cosmos.azure.com"),
    ("privatelink.gremlin.cosmos.azure.com", "gremlin.cosmos.azure.com"),
    ("privatelink.table.cosmos.azure.com", "table.cosmos.azure.com"),
    ("privatelink.redis.cache.windows.net", "redis.cache.windows.net"),
    ("privatelink.servicebus.windows.net", "servicebus.windows.net"),
    ("privatelink.eventgrid.azure.net", "eventgrid.azure.net"),
    ("privatelink.azurewebsites.net", "azurewebsites.net"),
    ("privatelink.azurestaticapps.net", "azurestaticapps.net"),
    ("privatelink.azurecr.io", "azurecr.io"),
    ("privatelink.azconfig.io", "azconfig.io"),
    ("privatelink.search.windows.net", "search.windows.net"),
    ("privatelink.cognitiveservices.azure.com", "cognitiveservices.azure.com"),
    ("privatelink.openai.azure.com", "openai.azure.com"),
    ("privatelink.azure-automation.net", "azure-automation.net"),
    ("privatelink.datafactory.azure.net", "datafactory.azure.net"),
    ("privatelink.adf.azure.com", "adf.azure.com"),
    ("privatelink.azuredatabricks.net", "azuredatabricks.net"),
    ("privatelink.sql.azuresynapse.net", "sql.azuresynapse.net"),
    ("privatelink.dev.azuresynapse.net", "dev.azuresynapse.net"),
    ("privatelink.siterecovery.windowsazure.com", "siterecovery.windowsazure.com"),
    ("privatelink.service.signalr.net", "service.signalr.net"),
    ("privatelink.webpubsub.azure.com", "webpubsub.azure.com"),
    ("privatelink.azure-devices.net", "azure-devices.net"),
    ("privatelink.his.arc.azure.com", "his.arc.azure.com"),
    ("privatelink.kubernetesconfiguration.azure.com", "kubernetesconfiguration.azure.com"),
    ("privatelink.azurehdinsight.net", "azurehdinsight.net"),
];

/// The public suffix of a private zone, both as presentation text without a final dot.
pub(super) fn public_of(private: &str) -> Option<&'static str> {
    SERVICES.iter().find(|(own, _)| *own == private).map(|(_, public)| *public)
}

/// The private zone beside a public suffix.
pub(super) fn private_of(public: &str) -> Option<&'static str> {
    SERVICES.iter().find(|(_, own)| *own == public).map(|(private, _)| *private)
}

/// The private zone of a name under a public suffix with one label in front, as imported endpoints
/// have them, or the public suffix of a name under a private zone.
pub(super) fn other_spelling(name: &str) -> Option<String> {
    SERVICES.iter().find_map(|(private, public)| {
        let below = |suffix: &str| {
            let head = name.strip_suffix(suffix)?.strip_suffix('.')?;
            (!head.is_empty()).then(|| head.to_owned())
        };
        if let Some(head) = below(private) {
            return Some(format!("{head}.{public}"));
        }
        let head = below(public).filter(|head| !head.contains('.'))?;
        Some(format!("{head}.{private}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_spelling_is_by_whole_labels() {
        let other = |name| other_spelling(name);
        assert_eq!(other("acct1.blob.core.windows.net").as_deref(), Some("acct1.privatelink.blob.core.windows.net"));
        assert_eq!(other("kv.privatelink.vaultcore.azure.net").as_deref(), Some("kv.vault.azure.net"));
        assert_eq!(other("blob.core.windows.net"), None);
        assert_eq!(other("a.b.blob.core.windows.net"), None);
        assert_eq!(other("xblob.core.windows.net"), None);
    }
}
