// mqtt5-wasm's broker in a SharedWorker: each page gets a port to it.

import init, { Broker, BrokerConfig } from "./mqtt5/mqtt5.js";

const broker = init().then(() => {
    const config = new BrokerConfig();
    config.allowAnonymous = true;
    config.maxPacketSize = 16 << 20;
    return Broker.withConfig(config);
});

addEventListener("connect", async ({ ports: [page] }) => {
    const port = (await broker).createClientPort();
    page.postMessage(port, [port]);
});
