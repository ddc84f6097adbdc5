//! The outputs of an ARM or Bicep deployment: under `outputs.<name>.value` stands what the template put out, most often
//! `endpoint.properties`, which has neither name nor id.

use super::json::Node;
use super::{Draft, read_item, read_list};

/// Reads a deployment, or its outputs alone; `false` when it is neither or holds nothing known.
pub(super) fn read(root: Node<'_>, draft: &mut Draft) -> bool {
    let outputs = root.field("outputs").filter(Node::is_object);
    let mut known = false;
    for (name, output) in outputs.unwrap_or(root).entries() {
        let Some(value) = output.get("value").filter(|_| output.get("type").is_some()) else { continue };
        name.clone_into(&mut draft.fallback);
        known |= if value.is_list() { read_list(value, draft) } else { read_item(value, draft) };
        draft.fallback.clear();
    }
    known
}
