// Measures the browser without TabMQ: the round trip of a message, and a row added to a database.
// Workers do the work, as in TabMQ.

const start = (body) => new Worker(URL.createObjectURL(new Blob([body])));
const answer = (worker, question) => new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
    worker.postMessage(question);
});

const result = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
});

async function inDatabase(channel, mode, stores, work) {
    const database = await result(indexedDB.open(`tabmq/${channel}/s1`, 1));
    try {
        return await work(database.transaction(stores, mode));
    } finally {
        database.close();
    }
}

const OPEN = `
    const open = (name) => new Promise((resolve, reject) => {
        const request = indexedDB.open(name, 1);
        request.onupgradeneeded = () => request.result.createObjectStore("log");
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
    });
    const add = (database, durability, key, bytes) => new Promise((resolve, reject) => {
        const transaction = database.transaction("log", "readwrite", { durability });
        transaction.oncomplete = resolve;
        transaction.onabort = () => reject(transaction.error);
        transaction.objectStore("log").add({ bytes }, key);
        transaction.commit();
    });
`;

let echo;
let keeper;

globalThis.raw = {
    /** Sends back the messages of `ping` in another tab. */
    echo: async () => {
        echo = start(`
            onmessage = () => {
                const there = new BroadcastChannel("raw/there");
                const back = new BroadcastChannel("raw/back");
                there.onmessage = ({ data }) => back.postMessage(data);
                postMessage("ready");
            };
        `);
        return answer(echo, null);
    },

    /** Sends messages of `bytes` bytes; resolves with the round-trip time of each in milliseconds. */
    ping: async (count, bytes) => answer(start(`
        onmessage = async ({ data: [count, bytes] }) => {
            const there = new BroadcastChannel("raw/there");
            const back = new BroadcastChannel("raw/back");
            const times = [];
            for (let i = 0; i < count; i++) {
                const begin = performance.now();
                const arrived = new Promise((resolve) => { back.onmessage = resolve; });
                there.postMessage(new Uint8Array(bytes));
                await arrived;
                times.push(performance.now() - begin);
            }
            postMessage(times);
        };
    `), [count, bytes]),

    /** Adds rows of `bytes` bytes one after the other, each in its transaction; resolves with the time of each in milliseconds. */
    add: async (count, bytes, durability) => answer(start(`
        ${OPEN}
        onmessage = async ({ data: [count, bytes, durability] }) => {
            const name = "raw/" + Math.random();
            const database = await open(name);
            const times = [];
            for (let i = 0; i < count; i++) {
                const begin = performance.now();
                await add(database, durability, i, new Uint8Array(bytes));
                times.push(performance.now() - begin);
            }
            database.close();
            indexedDB.deleteDatabase(name);
            postMessage(times);
        };
    `), [count, bytes, durability]),

    /** Stores each message of `hand` in another tab in its own row, and sends it back. */
    keep: async (durability) => {
        keeper = start(`
            ${OPEN}
            onmessage = async ({ data: durability }) => {
                const database = await open("raw/kept/" + Math.random());
                const there = new BroadcastChannel("raw/kept/there");
                const back = new BroadcastChannel("raw/kept/back");
                let key = 0;
                there.onmessage = async ({ data }) => {
                    await add(database, durability, key++, data);
                    back.postMessage(data);
                };
                postMessage("ready");
            };
        `);
        return answer(keeper, durability);
    },

    /** Sends messages through this page's worker to another tab's, into a row there, and back; resolves with each time in milliseconds. */
    hand: async (count, bytes) => {
        const worker = start(`
            const there = new BroadcastChannel("raw/kept/there");
            const back = new BroadcastChannel("raw/kept/back");
            onmessage = ({ data }) => there.postMessage(data);
            back.onmessage = ({ data }) => postMessage(data);
        `);
        const times = [];
        for (let i = 0; i < count; i++) {
            const begin = performance.now();
            await answer(worker, new Uint8Array(bytes));
            times.push(performance.now() - begin);
        }
        worker.terminate();
        return times;
    },

    /** The rows of a channel's log, by number. */
    rows: (channel) => inDatabase(channel, "readonly", ["log"], async (transaction) => {
        const log = transaction.objectStore("log");
        const [keys, rows] = await Promise.all([result(log.getAllKeys()), result(log.getAll())]);
        return keys.map((key, index) => ({ key, term: rows[index].term, kind: rows[index].kind, bytes: rows[index].bytes?.length }));
    }),

    /** Replaces each row of a channel's log by the value of `change(row)`, if there is one. Resolves with the number of changes. */
    change: (channel, change) => inDatabase(channel, "readwrite", ["log"], async (transaction) => {
        const log = transaction.objectStore("log");
        const [keys, rows] = await Promise.all([result(log.getAllKeys()), result(log.getAll())]);
        const changed = keys.map((key, index) => [key, change(rows[index])]).filter(([, row]) => row !== undefined);
        await Promise.all(changed.map(([key, row]) => result(log.put(row, key))));
        return changed.length;
    }),

    /** Writes a row into a channel's log. */
    put: (channel, key, row) => inDatabase(channel, "readwrite", ["log"], (transaction) =>
        result(transaction.objectStore("log").put(row, key))),

    /** Deletes the rows of a channel's log for which `isMeant(key, row)` is true. Resolves with their number. */
    remove: (channel, isMeant) => inDatabase(channel, "readwrite", ["log"], async (transaction) => {
        const log = transaction.objectStore("log");
        const [keys, rows] = await Promise.all([result(log.getAllKeys()), result(log.getAll())]);
        const meant = keys.filter((key, index) => isMeant(key, rows[index]));
        await Promise.all(meant.map((key) => result(log.delete(key))));
        return meant.length;
    }),

    /** Deletes the snapshot of a channel. Resolves with its number of rows. */
    removeSnapshot: (channel) => inDatabase(channel, "readwrite", ["snap"], async (transaction) => {
        const pieces = transaction.objectStore("snap");
        const count = await result(pieces.count());
        await result(pieces.clear());
        return count;
    }),

    /** Keeps a transaction on a channel's log open until `release` is called. It blocks all other readers and writers. */
    hold: (channel) => new Promise((resolve) => {
        let isHeld = true;
        raw.release = () => { isHeld = false; };
        inDatabase(channel, "readwrite", ["log", "snap"], async (transaction) => {
            while (isHeld) {
                await result(transaction.objectStore("log").count());
                resolve(true);
            }
        });
    }),

    /** Whether the log of a channel can be read in `ms` milliseconds. An open write transaction prevents it. */
    isReadable: (channel, ms) => Promise.race([
        inDatabase(channel, "readonly", ["log"], (transaction) => result(transaction.objectStore("log").count())).then(() => true),
        new Promise((resolve) => setTimeout(resolve, ms, false)),
    ]),

    /** The number of bytes of each row of a channel's log, and of each row of its snapshot. */
    values: (channel) => inDatabase(channel, "readonly", ["log", "snap"], async (transaction) => {
        const all = (store) => result(transaction.objectStore(store).getAll());
        const [rows, pieces] = (await Promise.all([all("log"), all("snap")])).map((values) =>
            values.map(({ bytes }) => bytes?.length ?? 0));
        return { rows, pieces };
    }),

    /** The size of a channel's database: rows and bytes of the log and of the snapshot. */
    sizes: (channel) => inDatabase(channel, "readonly", ["log", "snap"], async (transaction) => {
        const all = (store) => result(transaction.objectStore(store).getAll());
        const [log, snap] = await Promise.all([all("log"), all("snap")]);
        const bytes = (rows) => rows.reduce((sum, row) => sum + (row.bytes?.length ?? 0), 0);
        return { rows: log.length, logBytes: bytes(log), pieces: snap.length, snapBytes: bytes(snap) };
    }),
};
