import { open } from "tabmq";

const role = document.querySelector("#role");
const text = document.querySelector("#text");
const messages = document.querySelector("#messages");
const show = (error) => { document.querySelector("#error").textContent = `${error.code}: ${error.message}`; };

async function main() {
    const bus = await open({ channel: "chat" });
    bus.on("role", (it) => { role.value = it; });
    role.value = bus.role;
    const client = await bus.connect();
    client.on("message", (topic, payload, message) => {
        messages.append(Object.assign(document.createElement("li"), { textContent: message.text() }));
    });
    await client.subscribeAsync("chat/#", { qos: 1 });
    document.querySelector("#form").addEventListener("submit", (event) => {
        event.preventDefault();
        client.publishAsync("chat/all", text.value, { qos: 1 }).catch(show);
    });
    document.body.dataset.ready = "true";
}

main().catch(show);
