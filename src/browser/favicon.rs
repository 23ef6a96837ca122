//! The icon of the browser tab. It shows the tab's role even while the page is in the background.

use tabmq_worker::api::Role;

/// The icon as a URL. Roles differ in sign and in colour, for people who cannot distinguish the colours.
pub(crate) fn data_url(role: Role) -> String {
    let (ground, tab, sign) = match role {
        Role::Broker { .. } => (
            "#fbbf24",
            "#312e81",
            r##"<circle cx="32" cy="34" r="9" fill="#fbbf24"/>"##,
        ),
        Role::Client { .. } => ("#4338ca", "#eef2ff", ""),
        Role::Waiting => (
            "#64748b",
            "#f1f5f9",
            r##"<path d="M20 36h0m12 0h0m12 0h0" stroke="#64748b" stroke-width="7" stroke-linecap="round"/>"##,
        ),
    };
    let svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" rx="14" fill="{ground}"/><path fill="{tab}" d="M10 50V22a6 6 0 0 1 6-6h14a6 6 0 0 1 6 6h12a6 6 0 0 1 6 6v22z"/>{sign}</svg>"#
    );
    format!("data:image/svg+xml,{}", svg.replace('#', "%23"))
}
