// Posts messages that no tab of TabMQ sends, on every channel name of the tabs, and on the bare name, which no tab uses.
// The body of a function; arguments: the channel, the broker's term, the broker's tab id, the ids of the other tabs.
const [channel, term, broker, clients] = arguments;

const cyclic = { type: "announce" };
cyclic.tabId = cyclic;
let deep = [];
for (let i = 0; i < 500; i++) deep = [deep];
const anything = [
    undefined, null, true, 0, -0, -1, 1.5, NaN, Infinity, 2 ** 53, 10n ** 30n,
    "", "announce", "\ud800", "x".repeat(1_000_000), JSON.stringify({ type: "who", tabId: "0123456789abcdef" }),
    {}, [], [[]], deep, cyclic, new Array(1_000_000).fill(7), new Array(2 ** 32 - 1), { length: 2 ** 32 },
    new Date(), new Date(NaN), /x/, new Map([["type", "who"]]), new Set(["who"]), new Error("who"), new Boolean(true),
    new Uint8Array(0), new Uint8Array(8 << 20), new Uint16Array(9), new Float64Array([NaN]), new DataView(new ArrayBuffer(8)),
    new ArrayBuffer(16), new Blob(["who"]), new ImageData(2, 2), crypto.getRandomValues(new Uint8Array(4096)),
    // A compiled module can be posted, but not received.
    new WebAssembly.Module(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])),
];

const tabId = "0123456789abcdef";
const announce = { type: "announce", tabId, isBroker: true, timestamp: Date.now(), term: term + 1 };
const nearlyControl = [
    ...[undefined, null, 7, "", "0123456789ABCDEF", `${broker}0`, ` ${broker}`, [broker], { broker }].flatMap((tabId) => [
        { ...announce, tabId },
        { type: "who", tabId },
        { type: "goodbye", tabId },
        { type: "bind", tabId, broker, term, binding: 9 },
        { type: "unbind", tabId, broker, term },
    ]),
    ...[undefined, null, "announce ", ["announce"], { announce }, 0].map((type) => ({ ...announce, type })),
    ...[undefined, null, "true", 1, {}].map((isBroker) => ({ ...announce, isBroker })),
    ...[undefined, null, -1, 1.5, NaN, Infinity, 2 ** 53, 10n ** 30n, "7", [7], {}].flatMap((term) => [
        { ...announce, term },
        { type: "bind", tabId: clients[0], broker, term, binding: 9 },
        { type: "unbind", tabId: clients[0], broker, term },
    ]),
    ...[undefined, null, -1, 1.5, NaN, 2 ** 53, "now", new Date()].map((timestamp) => ({ ...announce, timestamp })),
    ...[null, -1, 1.5, 2 ** 32, "9", {}].map((binding) => ({ type: "bind", tabId: clients[0], broker, term, binding })),
    ...[undefined, null, 7, "", `${broker}0`, [broker]].map((broker) => ({ type: "bind", tabId: clients[0], broker, term, binding: 9 })),
    ...[7, "x".repeat(65), "x".repeat(1_000_000), [], {}].map((build) => ({ ...announce, build })),
    ...[-1, 2 ** 32, "1", [1]].map((clients) => ({ ...announce, clients })),
    ...[[], [1], [1, 1, 1], ["1", "1"], [1, -1], "1"].map((protocol) => ({ ...announce, protocol })),
    ...["", "seen", 1, ["visible"]].map((visibility) => ({ ...announce, visibility })),
    [announce],
    JSON.stringify(announce),
    new Map(Object.entries(announce)),
];

const magic = [..."TMQ1"].map((c) => c.charCodeAt(0));
const nearlyFrames = [
    magic,
    [...magic, 0],
    [...magic.map((byte) => byte ^ 0x20), 1, 1, 0, 0],
    // A message of term 1, and one with bytes after its end.
    [...magic, 1, 1, 0, 0],
    [...magic, 1, 1, 0, 0, 0],
    // The highest 64-bit number of parts, and one part of that length.
    [...magic, 1, 1, 0, 253, ...new Array(8).fill(255)],
    [...magic, 1, 1, 0, 1, 0, 1, 253, ...new Array(8).fill(255)],
    [...magic, ...crypto.getRandomValues(new Uint8Array(4096))],
    [...magic, ...new Array(4096).fill(255)],
].map((bytes) => new Uint8Array(bytes));

const posts = {
    [channel]: [...anything, ...nearlyControl, ...nearlyFrames],
    [`${channel}-control`]: [...anything, ...nearlyControl, ...nearlyFrames],
};
for (const client of clients) {
    posts[`${channel}/v1/c/${client}/${broker}/${term}`] = [...anything, ...nearlyControl, ...nearlyFrames];
}

let posted = 0;
for (const [name, messages] of Object.entries(posts)) {
    const broadcast = new BroadcastChannel(name);
    for (const message of messages) {
        broadcast.postMessage(message);
        posted += 1;
    }
    // Messages may get lost if their channel is closed at once.
    setTimeout(() => broadcast.close(), 1000);
}
return posted;
