// The broker's storage in the browser, and the events that befall it.

import type { EventKind } from './wire.js';

/** How the broker keeps its state while it is in a tab. */
export type Durability = 'relaxed' | 'strict' | 'memory';

/**
 * State of the broker's storage: it works, there is no room, the database fails, or the state is in memory although it should be
 * stored.
 */
export type StorageState = 'ok' | 'full' | 'failing' | 'memory';

/** Whether a page asks the browser to keep this site's data even when space runs low. */
export type Persist = 'auto' | 'ask' | 'never';

/**
 * An event of the broker's storage.
 *
 * - `full`: there is no room; the broker refuses what it would have to store. `room`: there is room again.
 * - `failing`: the database fails; `reason` says how. `working`: it works again.
 * - `memory`: the broker keeps its state in memory, although this tab wants it stored.
 * - `removed`: the browser has removed the database while the broker used it; the broker writes anew what it knows.
 * - `lost`: the browser has lost what was stored before this broker began.
 * - `damaged`: a part of what was stored is missing. `skipped`: records that cannot be read were left out. `count` says how many.
 */
export type StorageEventKind = 'full' | 'room' | 'failing' | 'working' | 'memory' | 'removed' | 'lost' | 'damaged' | 'skipped';

export interface BusStorageEvent {
    readonly kind: StorageEventKind;
    /** For people. */
    readonly message: string;
    /** The browser's own words, if there are any. */
    readonly reason?: string;
    /** How many records or rows, where that is known. */
    readonly count?: number;
}

/** State of the storage. */
export interface BusStorage {
    /** State of the broker's storage, in whichever tab the broker is. */
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
    removed: 'The browser has removed what was stored.',
    lost: 'The browser has lost what was stored.',
    damaged: 'A part of what was stored is missing.',
    skipped: 'Stored records cannot be read.',
};

/** @internal Those that a program may have to act on: each is an error, too. */
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

/** @internal What the broker in this tab says; `undefined` for what is no news of the storage. */
export function fromWorker(it: EventKind): BusStorageEvent | undefined {
    const [name, value] = typeof it === 'string' ? [it] : Object.entries(it)[0] as [string, string | { first?: string | null; skipped?: number; rows?: number }];
    const kind = KINDS[name];
    const [reason, count] = typeof value === 'object' ? [value.first, value.skipped ?? value.rows] : [value];
    return kind && storageEvent(kind, reason, count);
}

/** @internal The state that an event leads to; `undefined` if it changes none. */
export function stateAfter(kind: StorageEventKind): StorageState | undefined {
    return kind === 'full' || kind === 'memory' ? kind : kind === 'room' || kind === 'working' ? 'ok' : undefined;
}

/** @internal What the change from one state to another is called. */
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
        // Forbidden here: then a loss goes unnoticed.
        return null;
    }
}

/** @internal */
export function keepLog(channel: string, identity: number): void {
    try {
        localStorage.setItem(keyOf(channel), String(identity));
    } catch {
        // As above; or it is full.
    }
}

function keyOf(channel: string): string {
    return `tabmq/${channel}/log`;
}

// Whether the browser may remove what is stored.

let asked: Promise<unknown> | undefined;

/** @internal Asks the browser to keep this site's data, once for each page; never again where it does already. */
export async function persistence(persist: Persist): Promise<Omit<BusStorage, 'state'>> {
    // Missing where the page is not secure.
    const storage = navigator.storage as StorageManager | undefined;
    let persistent = await attempt(() => storage?.persisted());
    // Firefox asks the person, the others decide by themselves.
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
