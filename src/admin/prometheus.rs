//! The metrics in Prometheus' own text format (version 0.0.4), for whoever does not ask for OpenMetrics.
//!
//! The library writes OpenMetrics alone; the samples are the same in both. What differs is what a family is called and
//! what kinds there are: here a counter's family has the `_total` of its samples, an info is a gauge of that name, units
//! have no line and the text has no end mark.

/// What the text is.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whether an `Accept` header (RFC 9110 §12.5.1) asks for OpenMetrics.
pub(super) fn wants_open_metrics(accept: &str) -> bool {
    accept.split(',').any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_named = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/openmetrics-text"));
        let is_refused = |part: &str| part.strip_prefix("q=").is_some_and(|weight| weight.parse() == Ok(0.0_f32));
        is_named && !parts.any(is_refused)
    })
}

/// An OpenMetrics text in this format.
pub(super) fn of_open_metrics(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 64);
    let mut help = "";
    for line in text.lines() {
        let descriptor = line.strip_prefix("# ").and_then(|rest| rest.split_once(' '));
        match descriptor {
            // The kind, which tells the family's name here, stands behind it.
            Some(("HELP", rest)) => help = rest,
            Some(("TYPE", rest)) => {
                let (family, kind) = rest.split_once(' ').unwrap_or((rest, "untyped"));
                let kind_here = match kind {
                    "info" | "stateset" => "gauge",
                    "unknown" => "untyped",
                    kind => kind,
                };
                let suffix = match kind {
                    "counter" => "_total",
                    "info" => "_info",
                    _ => "",
                };
                let told = help.split_once(' ').filter(|(name, _)| *name == family).map_or("", |(_, told)| told);
                out.extend(["# HELP ", family, suffix, " ", told, "\n# TYPE ", family, suffix, " ", kind_here, "\n"]);
            }
            Some(_) => {}
            None if line.starts_with('#') => {}
            None => out.extend([line, "\n"]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_called_as_their_samples() {
        let open = "# HELP a Things.\n# TYPE a counter\na_total{x=\"# HELP\"} 1\n# HELP b The program.\n# TYPE b info\nb_info{v=\"1\"} 1\n\
                    # HELP c_seconds When.\n# TYPE c_seconds gauge\n# UNIT c_seconds seconds\nc_seconds 3.5\n# EOF\n";
        let own = "# HELP a_total Things.\n# TYPE a_total counter\na_total{x=\"# HELP\"} 1\n# HELP b_info The program.\n# TYPE b_info gauge\n\
                   b_info{v=\"1\"} 1\n# HELP c_seconds When.\n# TYPE c_seconds gauge\nc_seconds 3.5\n";
        assert_eq!(of_open_metrics(open), own);
    }

    #[test]
    fn open_metrics_has_to_be_asked_for() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        assert!(wants_open_metrics(prometheus) && wants_open_metrics("Application/OpenMetrics-Text"));
        for other in ["", "*/*", "text/plain", "application/openmetrics-text;q=0", "application/json"] {
            assert!(!wants_open_metrics(other), "{other}");
        }
    }
}
