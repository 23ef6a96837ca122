// Reads the page's contents by data-testids. This is the body of a function that returns `View` in view.rs.
const all = (testid) => [...document.querySelectorAll(`[data-testid="${testid}"]`)];
const one = (testid) => all(testid)[0];
const texts = (testid) => all(testid).map((element) => element.textContent.trim());

return {
    role: one("role-badge")?.dataset.role ?? null,
    tabId: one("tab-id")?.dataset.tabId ?? null,
    status: one("status")?.dataset.status ?? null,
    statusText: texts("status")[0] ?? "",
    members: all("member-row").map((row) => ({
        tabId: row.dataset.tabId,
        isBroker: row.dataset.broker === "true",
        build: row.dataset.build,
    })),
    kept: one("kept")?.dataset.durability ?? null,
    subscriptions: all("subscription").map((item) => ({
        filter: item.dataset.filter,
        granted: item.dataset.granted,
    })),
    // The page shows the newest message first.
    messages: all("message").reverse().map(({ dataset }) => ({
        topic: dataset.topic,
        payload: dataset.payload,
        qos: Number(dataset.qos),
        retain: dataset.retain === "true",
    })),
    messageCount: Number((one("message-count")?.textContent ?? "0").replaceAll(",", "")),
    acknowledged: Number(one("publish-result")?.dataset.acknowledged ?? 0),
    publishResult: texts("publish-result")[0] ?? "",
    // The page shows the newest event first. Each has a time and a sentence.
    events: all("event").reverse().map((event) => [...event.children].map((part) => part.textContent).join(" ")),
    errors: texts("error"),
    hint: texts("hint")[0] ?? null,
    unsupported: texts("unsupported")[0] ?? null,
    title: document.title,
    visibility: document.visibilityState,
};
