// What the browser gives at most, without TabMQ: a message there and back, a row added to a database.
// Workers do it, as with TabMQ.

const start = (body) => new Worker(URL.createObjectURL(new Blob([body])));
const answer = (worker, question) => new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
    worker.postMessage(question);
});

let echo;

globalThis.raw = {
    /** Sends back from now on what `ping` in another tab posts. */
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

    /** Milliseconds that each of so many bytes took there and back. */
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

    /** Milliseconds that each row of so many bytes took, one transaction each, one after the other. */
    add: async (count, bytes, durability) => answer(start(`
        const open = (name) => new Promise((resolve, reject) => {
            const request = indexedDB.open(name, 1);
            request.onupgradeneeded = () => request.result.createObjectStore("log");
            request.onsuccess = () => resolve(request.result);
            request.onerror = () => reject(request.error);
        });
        onmessage = async ({ data: [count, bytes, durability] }) => {
            const name = "raw/" + Math.random();
            const database = await open(name);
            const times = [];
            for (let i = 0; i < count; i++) {
                const begin = performance.now();
                await new Promise((resolve, reject) => {
                    const transaction = database.transaction("log", "readwrite", { durability });
                    transaction.oncomplete = resolve;
                    transaction.onabort = () => reject(transaction.error);
                    transaction.objectStore("log").add({ bytes: new Uint8Array(bytes) }, i);
                    transaction.commit();
                });
                times.push(performance.now() - begin);
            }
            database.close();
            indexedDB.deleteDatabase(name);
            postMessage(times);
        };
    `), [count, bytes, durability]),

    /** What a channel's database holds: rows and bytes of the log, pieces and bytes of the snapshot. */
    sizes: async (channel) => {
        const database = await new Promise((resolve, reject) => {
            const request = indexedDB.open(`tabmq/${channel}/s1`, 1);
            request.onsuccess = () => resolve(request.result);
            request.onerror = () => reject(request.error);
        });
        const all = (store) => new Promise((resolve, reject) => {
            const request = database.transaction(store).objectStore(store).getAll();
            request.onsuccess = () => resolve(request.result);
            request.onerror = () => reject(request.error);
        });
        const [log, snap] = [await all("log"), await all("snap")];
        database.close();
        const bytes = (rows) => rows.reduce((sum, row) => sum + (row.bytes?.length ?? 0), 0);
        return { rows: log.length, logBytes: bytes(log), pieces: snap.length, snapBytes: bytes(snap) };
    },
};
