// The broker's storage in the browser, and its events.

import type { EventKind } from './wire.js';

/** How the broker keeps its state while it is in a tab. */
export type Durability = 'relaxed' | 'strict' | 'memory';

/**
 * State of the broker's storage: it works, it is full, the database fails, or the state is in memory although it should be stored.
 */
export type StorageState = 'ok' | 'full' | 'failing' | 'memory';

/** Whether a page asks the browser to keep this site's data even when space runs low. */
export type Persist = 'auto' | 'ask' | 'never';

/**
 * An event of the broker's storage.
 *
 * - `full`: there is no room; the broker refuses changes that it would have to store. `room`: there is room again.
 * - `failing`: the database fails; `reason` has the error. `working`: it works again.
 * - `memory`: the broker keeps its state in memory, although this tab wants it stored.
 * - `removed`: the browser removed the database while the broker used it; the broker writes its state again.
 * - `lost`: the browser lost the stored state before this broker started.
 * - `damaged`: a part of the stored state is missing. `skipped`: unreadable records were left out. `count` is their number.
 */
export type StorageEventKind = 'full' | 'room' | 'failing' | 'working' | 'memory' | 'removed' | 'lost' | 'damaged' | 'skipped';

export interface BusStorageEvent {
    readonly kind: StorageEventKind;
    /** A sentence for people. */
    readonly message: string;
    /** The browser's own error text, if there is one. */
    readonly reason?: string;
    /** Number of records or rows, if it is known. */
    readonly count?: number;
}

/** State of the storage. */
export interface BusStorage {
    /** State of the broker's storage, in any tab. */
    readonly state: StorageState;
    /** Whether the browser keeps this site's data when space runs low; `undefined` if the browser does not say. */
    readonly persistent: boolean | undefined;
    /** Bytes that this site uses and may use, as the browser estimates. */
    readonly usage: number | undefined;
    readonly quota: number | undefined;
}

const MESSAGES: Record<StorageEventKind, string> = {
    full: "The browser's storage is full.",
    room: "There is room in the browser's storage again.",
    failing: 'The database fails.',
    working: 'The database works again.',
    memory: "The broker's state is in memory only.",
    removed: 'The browser has removed the stored state.',
    lost: 'The browser has lost the stored state.',
    damaged: 'A part of the stored state is missing.',
    skipped: 'Stored records cannot be read.',
};

/** @internal Whether the event is a fault. Each fault is also an error. */
export function isFault(kind: StorageEventKind): kind is Exclude<StorageEventKind, 'room' | 'working'> {
    return kind !== 'room' && kind !== 'working';
}

/** @internal */
export function storageEvent(kind: StorageEventKind, reason?: string | null, count?: number): BusStorageEvent {
    const message = reason ? `${MESSAGES[kind]} ${reason}` : MESSAGES[kind];
    return { kind, message, ...reason && { reason }, ...count && { count } };
}

const KINDS: { [name: string]: StorageEventKind | undefined } = {
    StorageFull: 'full',
    StorageHasRoom: 'room',
    Storage: 'failing',
    StorageFailing: 'failing',
    StorageWorks: 'working',
    InMemory: 'memory',
    StorageRemoved: 'removed',
    StorageLost: 'lost',
    StorageDamaged: 'damaged',
    RecordsSkipped: 'skipped',
};

/** @internal The storage event for an event of the broker in this tab; `undefined` for other events. */
export function fromWorker(it: EventKind): BusStorageEvent | undefined {
    const [name, value] = typeof it === 'string' ? [it] : Object.entries(it)[0] as [string, string | { first?: string | null; skipped?: number; rows?: number }];
    const kind = KINDS[name];
    const [reason, count] = typeof value === 'object' ? [value.first, value.skipped ?? value.rows] : [value];
    return kind && storageEvent(kind, reason, count);
}

/** @internal The state after an event; `undefined` if the event does not change it. */
export function stateAfter(kind: StorageEventKind): StorageState | undefined {
    return kind === 'full' || kind === 'memory' ? kind : kind === 'room' || kind === 'working' ? 'ok' : undefined;
}

/** @internal The event for a change from one state to another. */
export function changeOf(before: StorageState, after: StorageState): StorageEventKind {
    return after !== 'ok' ? after : before === 'full' ? 'room' : 'working';
}

// The identity of the log, kept outside the database that may get lost.

/** @internal */
export function knownLog(channel: string): number | null {
    try {
        const kept = localStorage.getItem(keyOf(channel)) ?? '';
        return /^\d{1,16}$/.test(kept) && Number.isSafeInteger(+kept) ? +kept : null;
    } catch {
        // The page may not use localStorage. A loss of the log then stays undetected.
        return null;
    }
}

/** @internal */
export function keepLog(channel: string, identity: number): void {
    try {
        localStorage.setItem(keyOf(channel), String(identity));
    } catch {
        // The page may not use localStorage, or it is full.
    }
}

function keyOf(channel: string): string {
    return `tabmq/${channel}/log`;
}

// Whether the browser may remove the stored state.

let asked: Promise<unknown> | undefined;

/** @internal Asks the browser to keep this site's data, once for each page, unless it already does. */
export async function persistence(persist: Persist): Promise<Omit<BusStorage, 'state'>> {
    // Missing where the page is not secure.
    const storage = navigator.storage as StorageManager | undefined;
    let persistent = await attempt(() => storage?.persisted());
    // Firefox asks the person; other browsers decide by themselves.
    const isWanted = persist === 'ask' || (persist === 'auto' && !/\bGecko\/\d/.test(navigator.userAgent));
    if (persistent === false && isWanted) {
        persistent = await (asked ??= attempt(() => storage?.persist())) as boolean | undefined;
    }
    const estimate = await attempt(() => storage?.estimate());
    return { persistent, usage: estimate?.usage, quota: estimate?.quota };
}

async function attempt<T>(ask: () => Promise<T> | undefined): Promise<T | undefined> {
    try {
        return await ask();
    } catch {
        return undefined;
    }
}
