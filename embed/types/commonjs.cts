// The same from CommonJS, as in tests. All entries share their classes and types.

import { type Bus, TabmqError, matches, open } from 'tabmq';
import { open as openInline } from 'tabmq/inline';
import { tabs } from 'tabmq/mqttjs';
import { useBus } from 'tabmq/react';

export async function main(): Promise<boolean> {
    await using bus = await open({ channel: 'app' });
    const same: Bus | undefined = useBus().bus;
    await tabs({ channel: 'app' }).close();
    return bus === same && matches('a/#', 'a/b') && new TabmqError('closed', '') instanceof Error && openInline === open;
}
