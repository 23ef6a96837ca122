//! IndexedDB requests and transactions, independent of the database's contents.
//!
//! A request cannot be cancelled. A caller that no longer needs the outcome ignores it.

use core::ops::Deref;
use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Array, JsString, Object, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Event, IdbDatabase, IdbFactory, IdbKeyRange, IdbRequest, WorkerGlobalScope};

use crate::browser::events::Listener;

// web-sys lacks these, has them behind its unstable APIs, or has deprecated them.
#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = IdbFactory)]
    type Factory;

    /// <https://w3c.github.io/IndexedDB/#dom-idbfactory-databases>
    #[wasm_bindgen(method, catch)]
    fn databases(this: &Factory) -> Result<Promise, JsValue>;

    #[wasm_bindgen(extends = Object)]
    type DatabaseInfo;

    #[wasm_bindgen(method, getter)]
    fn name(this: &DatabaseInfo) -> Option<String>;

    #[derive(Debug)]
    #[wasm_bindgen(extends = Object)]
    type TransactionOptions;

    #[wasm_bindgen(method, setter)]
    fn set_durability(this: &TransactionOptions, durability: &str);
}

// V8 can freeze a worker where it calls a JavaScript function, as every call out of WebAssembly does, or where it repeats a
// loop. These functions contain no such place, so a transaction that they begin is also committed. For each element, the
// native `map` calls the browser's own function with the element and its index.
// The file of these functions has the same name in every build of a version, and a cache may serve an old build's. So these
// functions change only with the version.
#[wasm_bindgen(inline_js = r#"
export function add(database, stores, options, store, value, key, later) {
    const transaction = database.transaction(stores, "readwrite", options);
    try {
        const target = transaction.objectStore(store);
        const requests = [target.add(value, key)];
        if (later !== undefined) {
            requests[1] = target.count(later);
        }
        transaction.commit();
        return { transaction, requests };
    } catch (error) {
        transaction.abort();
        throw error;
    }
}

export function replace(database, stores, options, value, key, ranges, values) {
    const transaction = database.transaction(stores, "readwrite", options);
    try {
        const first = transaction.objectStore(stores[0]);
        const second = transaction.objectStore(stores[1]);
        const requests = [first.add(value, key), second.clear()];
        const puts = values.map(IDBObjectStore.prototype.put, second);
        const deletes = ranges.map(IDBObjectStore.prototype.delete, first);
        transaction.commit();
        return { transaction, requests: requests.concat(puts, deletes) };
    } catch (error) {
        transaction.abort();
        throw error;
    }
}

export function read(database, stores, options, after, from, firstCount, secondCount) {
    const isFirst = after === undefined;
    const ofFirst = isFirst ? undefined : IDBKeyRange.bound(after, Infinity, true, true);
    const ofSecond = isFirst ? undefined : IDBKeyRange.bound(from, Infinity, false, true);
    const transaction = database.transaction(stores, "readonly", options);
    try {
        const first = transaction.objectStore(stores[0]);
        const second = transaction.objectStore(stores[1]);
        const requests = [
            first.getAllKeys(ofFirst, firstCount),
            first.getAll(ofFirst, firstCount),
            second.getAllKeys(ofSecond, secondCount),
            second.getAll(ofSecond, secondCount),
        ];
        if (!isFirst) {
            const others = IDBKeyRange.lowerBound(Infinity);
            requests[4] = first.count(others);
            requests[5] = second.count(others);
        }
        transaction.commit();
        return { transaction, requests };
    } catch (error) {
        transaction.abort();
        throw error;
    }
}

export function check(database, stores, options, key) {
    const transaction = database.transaction(stores, "readwrite", options);
    try {
        const store = transaction.objectStore(stores[0]);
        const requests = [store.put(0, "check"), store.delete("check")];
        if (key !== undefined) {
            requests[2] = transaction.objectStore(stores[1]).count(key);
        }
        transaction.commit();
        return { transaction, requests };
    } catch (error) {
        transaction.abort();
        throw error;
    }
}

export function listen({ transaction, requests }, ended) {
    // Chromium keeps a value above 64 KiB in a file of its own, and reads that file after it reported the transaction as
    // complete. Until then the request is pending, and reading its result throws.
    const settle = () => {
        const pending = requests.find(({ readyState }) => readyState !== "done");
        if (pending !== undefined) {
            pending.onsuccess = settle;
            pending.onerror = settle;
            return;
        }
        const errors = requests.map(({ error }) => error);
        if (errors.every((error) => error === null)) {
            ended(requests.map(({ result }) => result), undefined);
        } else {
            ended(undefined, errors);
        }
    };
    transaction.oncomplete = settle;
    transaction.onabort = () => {
        // Reading the error of a pending request throws.
        const done = requests.filter(({ readyState }) => readyState === "done");
        ended(undefined, [transaction, ...done].map(({ error }) => error));
    };
}
"#)]
extern "C" {
    #[wasm_bindgen(catch)]
    fn add(
        database: &IdbDatabase,
        stores: &Array,
        options: &TransactionOptions,
        store: &str,
        value: &JsValue,
        key: &JsValue,
        later: Option<&IdbKeyRange>,
    ) -> Result<Transaction, JsValue>;

    #[wasm_bindgen(catch)]
    fn replace(
        database: &IdbDatabase,
        stores: &Array,
        options: &TransactionOptions,
        value: &JsValue,
        key: &JsValue,
        ranges: &Array,
        values: &Array,
    ) -> Result<Transaction, JsValue>;

    #[wasm_bindgen(catch)]
    fn read(
        database: &IdbDatabase,
        stores: &Array,
        options: &TransactionOptions,
        after: Option<f64>,
        from: Option<f64>,
        first_count: u32,
        second_count: u32,
    ) -> Result<Transaction, JsValue>;

    #[wasm_bindgen(catch)]
    fn check(
        database: &IdbDatabase,
        stores: &Array,
        options: &TransactionOptions,
        key: &JsValue,
    ) -> Result<Transaction, JsValue>;

    /// Calls `ended` once, with the results of the requests as the first argument or the errors as the second.
    fn listen(transaction: &Transaction, ended: &JsValue);

    /// A committed transaction and its requests.
    #[derive(Debug)]
    #[wasm_bindgen(extends = Object)]
    pub(crate) type Transaction;
}

/// An open database. Dropping it closes the database.
#[derive(Debug)]
pub(crate) struct Database(IdbDatabase);

/// The result of [`open`].
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) database: Database,
    /// Whether this request created the database or raised its version. No other connection was open at that moment.
    pub(crate) is_upgraded: bool,
}

/// The object stores and the durability of a transaction.
#[derive(Debug)]
pub(crate) struct Scope {
    stores: Array,
    options: TransactionOptions,
}

/// The results of a transaction's requests, or all errors of its failure.
pub(crate) type Ended = Result<Array, Vec<JsValue>>;

/// Opens a database at this version; `None`: at its current version. `upgrade` creates the object stores of a new database or of
/// one with a lower version.
///
/// Waits while other connections have it open at a lower version.
pub(crate) async fn open(
    name: &str,
    version: Option<f64>,
    upgrade: impl Fn(&IdbDatabase) -> Result<(), JsValue> + 'static,
) -> Result<Opened, JsValue> {
    let factory = factory()?;
    let request = match version {
        Some(version) => factory.open_with_f64(name, version)?,
        None => factory.open(name)?,
    };
    let upgraded = Rc::new(RefCell::new(None));
    let outcome = Rc::clone(&upgraded);
    let upgrading = request.clone();
    let _upgrade = Listener::new(&request, "upgradeneeded", move |_: Event| {
        let database = upgrading.result();
        let done = database.and_then(|database| upgrade(database.unchecked_ref()));
        // A database without its object stores must not exist.
        if let (Err(_), Some(transaction)) = (&done, upgrading.transaction()) {
            // This fails only if the transaction has already ended.
            let _ = transaction.abort();
        }
        outcome.replace(Some(done));
    })?;
    let answer = answer(&request).await;
    let is_upgraded = match upgraded.take() {
        Some(Err(error)) => return Err(error),
        Some(Ok(())) => true,
        None => false,
    };
    Ok(Opened {
        database: Database(answer?.unchecked_into()),
        is_upgraded,
    })
}

/// Deletes a database, if there is one. Waits until all connections to it are closed.
pub(crate) async fn delete(name: &str) -> Result<(), JsValue> {
    let request = factory()?.delete_database(name)?;
    answer(&request).await.map(drop)
}

/// Names of all databases of this origin.
pub(crate) async fn names() -> Result<Vec<String>, JsValue> {
    let factory: Factory = factory()?.unchecked_into();
    let databases: Array = JsFuture::from(factory.databases()?).await?.unchecked_into();
    let databases = databases.iter().map(JsCast::unchecked_into::<DatabaseInfo>);
    Ok(databases.filter_map(|info| info.name()).collect())
}

/// Whether this browser offers IndexedDB here.
pub(crate) fn is_offered() -> bool {
    factory().is_ok()
}

fn factory() -> Result<IdbFactory, JsValue> {
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    let factory = scope.indexed_db()?;
    factory.ok_or_else(|| JsValue::from_str("this browser offers no IndexedDB here"))
}

/// Waits for the result of a request.
async fn answer(request: &IdbRequest) -> Result<JsValue, JsValue> {
    let answered = Promise::new(&mut |resolve, _reject| {
        request.set_onsuccess(Some(&resolve));
        request.set_onerror(Some(&resolve));
    });
    JsFuture::from(answered).await?;
    match request.error()? {
        Some(error) => Err(error.into()),
        None => request.result(),
    }
}

impl Scope {
    pub(crate) fn new(stores: &[&str], durability: &str) -> Self {
        let options: TransactionOptions = Object::new().unchecked_into();
        options.set_durability(durability);
        Self {
            stores: stores.iter().map(|store| JsString::from(*store)).collect(),
            options,
        }
    }
}

impl Database {
    /// A transaction that adds a value to a store and, if there is a range `later`, then counts the values in that range.
    ///
    /// One JavaScript call begins and commits it, so a frozen worker never blocks the transactions of other tabs.
    pub(crate) fn add(
        &self,
        scope: &Scope,
        store: &str,
        value: &JsValue,
        key: &JsValue,
        later: Option<&IdbKeyRange>,
    ) -> Result<Transaction, JsValue> {
        let Scope { stores, options } = scope;
        add(&self.0, stores, options, store, value, key, later)
    }

    /// A transaction that adds a value to the first of two stores, deletes these `ranges` there, and replaces the contents of the
    /// second store by `values` under the numbers from 0. One JavaScript call begins and commits it.
    pub(crate) fn replace(
        &self,
        scope: &Scope,
        value: &JsValue,
        key: &JsValue,
        ranges: &Array,
        values: &Array,
    ) -> Result<Transaction, JsValue> {
        let Scope { stores, options } = scope;
        replace(&self.0, stores, options, value, key, ranges, values)
    }

    /// A transaction that puts a value into the first store and deletes it again. It counts the values under `key` in the second
    /// store, unless the key is undefined. One JavaScript call begins and commits it.
    pub(crate) fn check(&self, scope: &Scope, key: &JsValue) -> Result<Transaction, JsValue> {
        check(&self.0, &scope.stores, &scope.options, key)
    }

    /// A transaction that reads keys and values of two stores, at most as many as `counts` says for each: four results. It begins
    /// with all keys. With `from` it reads numeric keys only, in the first store behind its first number, in the second store from
    /// its second one on. It then counts the other keys of each store: two more results. One JavaScript call begins and commits it.
    pub(crate) fn read(
        &self,
        scope: &Scope,
        from: Option<(f64, f64)>,
        counts: (u32, u32),
    ) -> Result<Transaction, JsValue> {
        let Scope { stores, options } = scope;
        let (after, from) = from.unzip();
        read(&self.0, stores, options, after, from, counts.0, counts.1)
    }
}

impl Deref for Database {
    type Target = IdbDatabase;

    fn deref(&self) -> &IdbDatabase {
        &self.0
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Transaction {
    /// Calls `on_outcome` with the outcome, in the same task as the browser's event. A future would add two microtasks, and
    /// acknowledgements wait for this.
    pub(crate) fn on_end(&self, on_outcome: impl FnOnce(Ended) + 'static) {
        let ended = move |results: Option<Array>, errors: Option<Array>| {
            on_outcome(results.ok_or_else(|| {
                // Requests that did not fail have no error.
                let errors = errors.into_iter().flatten();
                errors.filter(|error| !error.is_null()).collect()
            }));
        };
        listen(self, &Closure::once_into_js(ended));
    }
}

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod tests {
    use js_sys::Reflect;
    use wasm_bindgen_test::wasm_bindgen_test;
    use web_sys::{IdbTransaction, IdbTransactionMode};

    use super::*;
    use crate::browser::testing::Received;

    #[wasm_bindgen]
    extern "C" {
        #[wasm_bindgen(extends = IdbDatabase)]
        type TransactionSource;

        /// <https://w3c.github.io/IndexedDB/#dom-idbdatabase-transaction>
        #[wasm_bindgen(method, catch)]
        fn transaction(
            this: &TransactionSource,
            stores: &Array,
            mode: IdbTransactionMode,
            options: &TransactionOptions,
        ) -> Result<CommittableTransaction, JsValue>;

        #[derive(Debug)]
        #[wasm_bindgen(extends = IdbTransaction)]
        type CommittableTransaction;

        /// <https://w3c.github.io/IndexedDB/#dom-idbtransaction-commit>
        #[wasm_bindgen(method, catch)]
        fn commit(this: &CommittableTransaction) -> Result<(), JsValue>;
    }

    impl Database {
        /// Begins a write transaction, calls `ask` to make its requests, and commits it, in one turn of the event loop but not in
        /// one JavaScript call.
        pub(crate) fn write(
            &self,
            scope: &Scope,
            ask: impl FnOnce(&IdbTransaction) -> Result<Vec<IdbRequest>, JsValue>,
        ) -> Result<Transaction, JsValue> {
            let source: &TransactionSource = self.0.unchecked_ref();
            let mode = IdbTransactionMode::Readwrite;
            let transaction = source.transaction(&scope.stores, mode, &scope.options)?;
            let requests: Array = ask(&transaction)?.into_iter().collect();
            transaction.commit()?;
            let begun = Object::new();
            Reflect::set(&begun, &"transaction".into(), &transaction)?;
            Reflect::set(&begun, &"requests".into(), &requests)?;
            Ok(begun.unchecked_into())
        }
    }

    async fn end(transaction: Transaction) -> Ended {
        let received = Received::new();
        transaction.on_end(received.sink());
        received.next().await
    }

    #[wasm_bindgen_test]
    async fn a_transaction_is_as_durable_as_was_asked_for() {
        let opened = open("tabmq/test/durability", Some(1.0), |database| {
            database.create_object_store("store").map(drop)
        });
        let database = opened.await.unwrap().database;
        for durability in ["strict", "relaxed"] {
            let scope = Scope::new(&["store"], durability);
            let transaction = database.write(&scope, |_| Ok(vec![])).unwrap();
            let inner = Reflect::get(&transaction, &"transaction".into()).unwrap();
            let own = Reflect::get(&inner, &"durability".into()).unwrap();
            assert_eq!(own.as_string().as_deref(), Some(durability));
            assert_eq!(end(transaction).await.unwrap().length(), 0);
        }
    }

    #[wasm_bindgen_test]
    async fn a_database_without_its_object_stores_is_not_left_behind() {
        let name = "tabmq/test/half";
        let failed = open(name, Some(1.0), |_| Err(JsValue::from_str("no"))).await;
        assert_eq!(failed.map(drop).unwrap_err(), JsValue::from_str("no"));
        assert!(!names().await.unwrap().contains(&name.to_owned()));
    }
}
