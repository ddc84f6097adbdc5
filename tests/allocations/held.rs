//! What many views hold, in octets that were allocated and not given back.

use std::fmt::Write as _;

use hubdns::load;
use hubdns::view::Snapshot;

use crate::counting;

/// Views of a zone each, or all of one zone; each zone has so many names.
fn views(count: usize, zones: usize, names: usize) -> String {
    let mut text =
        "version = 1\n[server]\nlisten = [\"127.0.0.1:5300\"]\n[[upstream]]\nname = \"u\"\nservers = [\"127.0.0.2\"]\n"
            .to_owned();
    for zone in 0..zones {
        let records = (0..names).map(|name| format!("\"h{name}\" = [\"10.{}.{}.4\"]", name / 256 % 256, name % 256));
        let records = records.collect::<Vec<_>>().join(", ");
        write!(text, "[[zone]]\nname = \"z{zone}\"\napex = \"z{zone}.example\"\nrecords = {{ {records} }}\n").unwrap();
    }
    for view in 0..count {
        let (net, zone) = (format!("10.{}.{}.0/24", view / 256, view % 256), view % zones);
        write!(text, "[[view]]\nname = \"view-{view}\"\nnetworks = [\"{net}\"]\nzones = [\"z{zone}\"]\n").unwrap();
    }
    text
}

/// Octets that a configuration holds once it is loaded: its snapshot, and the plan that is kept beside it.
fn held(text: &str) -> i64 {
    let before = counting::held();
    let (config, plan, _) = load::from_text("hub.toml", text).into_parts().expect("a sound file");
    let snapshot = Snapshot::build(plan.clone());
    let held = counting::held() - before;
    drop((config, plan, snapshot));
    assert!(counting::held() - before < 4_096, "all of it is given back");
    held
}

#[test]
fn a_view_that_shares_its_zone_costs_little() {
    held(&views(1, 1, 10));
    let (one, many) = (held(&views(1, 1, 1_000)), held(&views(1_000, 1, 1_000)));
    let each = (many - one) / 999;
    assert!((100..1_024).contains(&each), "{each} octets a view");
}

#[test]
fn views_with_names_of_their_own_hold_hardly_more_than_one_view_with_all_names() {
    let empty = held(&views(1, 1, 1));
    let (one, many) = (held(&views(1, 1, 20_000)) - empty, held(&views(200, 200, 100)) - empty);
    assert!(one > 20_000 * 40, "{one} octets: names are counted");
    assert!(many * 5 <= one * 6, "{many} octets in place of {one}");
}
