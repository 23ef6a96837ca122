//! The browser's promise to keep this site's data, and the identity of the log.

use std::cell::Cell;

use js_sys::{Promise, Reflect};
use tab::api::{Durability, StorageState};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::StorageManager;

use super::bus::{BusOptions, Persist};

thread_local! {
    /// Whether this page has asked the browser to keep this site's data.
    static HAS_ASKED: Cell<bool> = const { Cell::new(false) };
}

/// State of the storage.
///
/// ```no_run
/// # use tabmq_worker::BusHandle;
/// # fn example(bus: &BusHandle) -> &'static str {
/// match bus.storage().is_persistent {
///     Some(true) => "The browser keeps this site's data.",
///     Some(false) => "The browser may remove this site's data.",
///     None => "The browser does not say.",
/// }
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageStatus {
    /// State of the broker's storage, in any tab.
    pub state: StorageState,
    /// Whether the browser keeps this site's data when space runs low; `None` if it is unknown.
    pub is_persistent: Option<bool>,
    /// Bytes that this site uses, as the browser estimates.
    pub usage_bytes: Option<u64>,
    /// Bytes that this site may use, as the browser estimates.
    pub quota_bytes: Option<u64>,
}

/// Asks the browser whether it keeps this site's data, and, once for each page, to keep it. `None` for durability `Memory`.
pub(super) async fn look(options: &BusOptions) -> Option<StorageStatus> {
    if options.durability == Durability::Memory {
        return None;
    }
    let navigator = gloo_utils::window().navigator();
    // Missing where the page is not secure.
    let storage = Reflect::get(&navigator, &JsValue::from_str("storage"));
    let storage: StorageManager = storage.ok().filter(JsValue::is_object)?.unchecked_into();
    let mut is_persistent = truth(storage.persisted()).await;
    let is_wanted = match options.persist {
        Persist::Ask => true,
        // Firefox asks the person; other browsers decide by themselves. Only Gecko has its version in the user agent.
        Persist::Auto => !navigator.user_agent().is_ok_and(|it| it.contains("Gecko/")),
        Persist::Never => false,
    };
    if is_persistent == Some(false) && is_wanted && !HAS_ASKED.replace(true) {
        is_persistent = truth(storage.persist()).await.or(is_persistent);
    }
    let estimate = answer(storage.estimate()).await;
    let bytes = |name: &str| {
        let value = Reflect::get(estimate.as_ref()?, &JsValue::from_str(name)).ok()?;
        value.as_f64().map(|bytes| bytes as u64)
    };
    Some(StorageStatus {
        state: StorageState::default(),
        is_persistent,
        usage_bytes: bytes("usage"),
        quota_bytes: bytes("quota"),
    })
}

async fn truth(asked: Result<Promise, JsValue>) -> Option<bool> {
    answer(asked).await?.as_bool()
}

async fn answer(asked: Result<Promise, JsValue>) -> Option<JsValue> {
    JsFuture::from(asked.ok()?).await.ok()
}

/// The identity of a channel's log, kept outside the database so that its loss can be detected. `None` if the page may not use
/// localStorage; a loss then stays undetected.
pub(crate) fn known_log(channel: &str) -> Option<u64> {
    let kept = local_storage()?.get_item(&key(channel)).ok()??;
    kept.parse().ok()
}

pub(crate) fn keep_log(channel: &str, identity: u64) {
    if let Some(storage) = local_storage() {
        // localStorage may be full or forbidden.
        let _ = storage.set_item(&key(channel), &identity.to_string());
    }
}

fn local_storage() -> Option<web_sys::Storage> {
    gloo_utils::window().local_storage().ok()?
}

fn key(channel: &str) -> String {
    format!("tabmq/{channel}/log")
}
