// Another script of the origin that behaves as if it were a tab of the channel. The body of a function that defines
// `neighbour`; it runs in a page that has not joined.
(() => {
    const channel = CHANNEL;
    const control = new BroadcastChannel(`${channel}-control`);
    const claim = { type: "announce", isBroker: true, lanes: [] };
    let timer;
    let letGo = [];

    globalThis.neighbour = {
        /** Posts a message now. */
        say: (message) => control.postMessage({ timestamp: Date.now(), ...message }),

        /** Posts false goodbyes of these tabs, ten times a second. */
        sayGoodbyeFor(tabs) {
            timer = setInterval(() => tabs.forEach((tabId) => neighbour.say({ type: "goodbye", tabId })), 100);
        },

        /** Announces a higher term in the name of the current broker, once a second. */
        claimForBroker(lanes) {
            let broker;
            control.onmessage = ({ data }) => {
                if (data.type === "announce" && data.isBroker) broker = data;
            };
            neighbour.say({ type: "who", tabId: "0123456789abcdef" });
            let claims = 0;
            timer = setInterval(() => {
                if (broker === undefined) return;
                claims += 1;
                neighbour.say({ ...claim, tabId: broker.tabId, term: broker.term + claims, lanes });
            }, 1000);
        },

        /** Holds the locks that a tab needs to become the broker. */
        holdLocks: () => Promise.all(["broker", "steal"].map((name) => new Promise((held) => {
            navigator.locks.request(`${channel}/v1/${name}`, () => {
                held();
                return new Promise((release) => letGo.push(release));
            });
        }))),

        /** Holds a transaction on the log open. */
        holdLog: () => new Promise((held, failed) => {
            const opening = indexedDB.open(`tabmq/${channel}/s1`);
            opening.onerror = failed;
            opening.onsuccess = () => {
                const database = opening.result;
                const log = database.transaction("log", "readwrite").objectStore("log");
                let isHeld = true;
                letGo.push(() => { isHeld = false; });
                const again = () => {
                    held();
                    if (isHeld) log.get(0).onsuccess = again;
                    else database.close();
                };
                again();
            };
        }),

        /** Ends all disturbances. */
        stop() {
            clearInterval(timer);
            letGo.forEach((release) => release());
            letGo = [];
        },
    };
})();
