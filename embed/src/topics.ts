// Topic filters.

/** Whether a topic name matches a topic filter (MQTT 5.0, 4.7). A shared subscription matches as its filter does. */
export function matches(filter: string, topic: string): boolean {
    const shared = /^\$share\/[^/]+\/(.*)$/s.exec(filter);
    const levels = (shared?.[1] ?? filter).split('/');
    const names = topic.split('/');
    // [MQTT-4.7.2-1]
    if (topic.startsWith('$') && /^[+#]/.test(levels[0]!)) {
        return false;
    }
    for (const [index, level] of levels.entries()) {
        if (level === '#') {
            return true;
        }
        if (index >= names.length || (level !== '+' && level !== names[index])) {
            return false;
        }
    }
    return levels.length === names.length;
}
