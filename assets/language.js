// Replaces a language that `Intl` does not know, such as the "C" of a browser without a locale: uPlot's script would end with an
// error. A classic script in old syntax, because it runs before everything else.
(function () {
    "use strict";

    function isKnown(language) {
        try {
            new Intl.NumberFormat(language);
            return Boolean(language);
        } catch (error) {
            return false;
        }
    }

    if (typeof Intl !== "object" || isKnown(navigator.language)) {
        return;
    }
    var known = [].slice.call(navigator.languages || []).filter(isKnown);
    Object.defineProperty(navigator, "language", { value: known[0] || "en-US", configurable: true });
})();
