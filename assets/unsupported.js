// Tells a visitor whose browser cannot run TabMQ which features are missing and what to do about it.
// A classic script in old syntax, because it has to run in the browsers that cannot run the app.
(function () {
    "use strict";

    var missing = [
        ["WebAssembly", typeof WebAssembly === "object", "runs the broker"],
        ["Worker", typeof Worker === "function", "keeps the broker off the page's own thread"],
        ["BroadcastChannel", typeof BroadcastChannel === "function", "connects the tabs"],
        // Browsers offer no locks to pages that are not secure; the database replaces them.
        ["navigator.locks", Boolean(navigator.locks || hasDatabase()), "decides which tab is the broker"]
    ].filter(function (feature) {
        return !feature[1];
    });
    if (missing.length === 0) {
        return;
    }

    // A template's content is inert, and this template is never closed. So the app, which is further down in this
    // document, does not start.
    document.write("<body><template>");

    var main = element("main", "");
    main.setAttribute("data-testid", "unsupported");
    main.style.cssText = "max-width: 40rem; margin: 4rem auto; padding: 0 1rem; font: 1.125rem/1.5 system-ui, sans-serif";
    main.appendChild(element("h1", "TabMQ cannot run here"));
    main.appendChild(element("p", "This browser does not offer:"));

    var list = element("ul", "");
    missing.forEach(function (feature) {
        var item = element("li", "");
        item.appendChild(element("code", feature[0]));
        item.appendChild(document.createTextNode(", which " + feature[2]));
        list.appendChild(item);
    });
    main.appendChild(list);

    var insecure = !navigator.locks && window.isSecureContext === false;
    if (insecure) {
        main.appendChild(element("p",
            "Browsers offer navigator.locks only to pages on https:// or on localhost, and this page is on "
            + location.origin + ". Open it on one of those."));
    }
    if (!insecure || missing.length > 1) {
        main.appendChild(element("p",
            "Update the browser, or open this page in a current Chrome, Edge, Firefox or Safari."));
    }

    document.title = "TabMQ cannot run here";
    document.body.insertBefore(main, document.body.firstChild);

    function hasDatabase() {
        try {
            return Boolean(window.indexedDB);
        } catch (denied) {
            return false;
        }
    }

    function element(name, text) {
        var created = document.createElement(name);
        created.textContent = text;
        return created;
    }
})();
