// Makes the database of one worker fail as in browsers. It runs first in that worker; `storeFaults` begins
// and ends faults.
//
// | fault            | behaviour of the browser                                                                               |
// |------------------|------------------------------------------------------------------------------------------------------|
// | deadHandles      | each transaction on a database that is open throws; a database that is opened later works              |
// | closedHandles    | databases that are open are closed without an event; one that is opened later works                  |
// | abortedWrites    | each transaction that writes is aborted without a reason                                          |
// | fullDisk         | each transaction that writes fails with UnknownError, as on a disk without space                      |
// | lostServer       | databases that are open are closed with an event, and none can be opened                             |
// | silentOpen       | a request to open a database is never answered                                                       |
// | blockedSite      | a database cannot be opened, and no lock requested, because the site may store nothing            |
// | noDatabases      | there is no IndexedDB                                                                                |
globalThis.storeFaults = (() => {
    const open = new Set();
    const dead = new WeakSet();
    let fault;

    const failure = (name) => new DOMException(`made to fail: ${fault}`, name);
    const opening = IDBFactory.prototype.open;
    const transaction = IDBDatabase.prototype.transaction;

    // A request that has failed, or that gets no answer.
    function request(error) {
        const it = Object.assign(new EventTarget(), { readyState: "pending", result: undefined, error: null, transaction: null });
        if (error !== undefined) {
            setTimeout(() => {
                Object.assign(it, { readyState: "done", error });
                const event = new Event("error");
                it.onerror?.(event);
                it.dispatchEvent(event);
            });
        }
        return it;
    }

    IDBFactory.prototype.open = function (...parameters) {
        switch (fault) {
            case "lostServer":
                return request(failure("UnknownError"));
            case "blockedSite":
                throw failure("SecurityError");
            case "silentOpen":
                return request();
        }
        const asked = opening.apply(this, parameters);
        asked.addEventListener("success", () => open.add(asked.result));
        return asked;
    };

    IDBDatabase.prototype.transaction = function (stores, mode, ...options) {
        if (dead.has(this)) {
            throw failure("InvalidStateError");
        }
        const begun = transaction.call(this, stores, mode, ...options);
        const writes = mode === "readwrite";
        if (writes && (fault === "abortedWrites" || fault === "fullDisk")) {
            const error = fault === "fullDisk" ? failure("UnknownError") : null;
            Object.defineProperty(begun, "error", { value: error });
            begun.commit = () => begun.abort();
        }
        return begun;
    };

    // Until the first message, which follows the load of the worker's script, there are no locks.
    addEventListener("message", () => {
        const lock = globalThis.LockManager?.prototype.request;
        if (lock !== undefined) {
            LockManager.prototype.request = function (...parameters) {
                return fault === "blockedSite" ? Promise.reject(failure("SecurityError")) : lock.apply(this, parameters);
            };
        }
    }, { once: true });

    const begins = {
        deadHandles: () => open.forEach((database) => dead.add(database)),
        closedHandles: () => open.forEach((database) => database.close()),
        abortedWrites() {},
        fullDisk() {},
        lostServer: () => open.forEach((database) => {
            database.close();
            database.dispatchEvent(new Event("close"));
        }),
        silentOpen() {},
        blockedSite() {},
        noDatabases: () => Object.defineProperty(globalThis, "indexedDB", { value: undefined }),
    };

    return {
        begin(name) {
            fault = name;
            begins[name]();
        },
        /** Ends all faults. Dead handles stay dead. */
        end() {
            fault = undefined;
        },
    };
})();
