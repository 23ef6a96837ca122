import * as React from 'react';
import { StrictMode, useState } from 'react';
import { createRoot } from 'react-dom/client';
import * as tabmq from 'tabmq/react';
import { BusProvider, useBus, usePublish, useRetained, useRole, useRoster, useSubscription } from 'tabmq/react';

function Chat() {
    const { error } = useBus();
    const role = useRole();
    const roster = useRoster();
    const publish = usePublish();
    const { messages, status, clear } = useSubscription('chat/#', { qos: 1, limit: 100 });
    const retained = useRetained('settings/+');
    const [text, setText] = useState('');
    return <>
        <p>This tab: <output id="role">{role}</output>, one of <output id="tabs">{roster.length}</output>. Open the page in a second tab, too.</p>
        <form id="form" onSubmit={(event) => {
            event.preventDefault();
            void publish('chat/all', text, { qos: 1 });
        }}>
            <input id="text" aria-label="Message" required value={text} onChange={(event) => setText(event.target.value)} />
            {' '}<button id="send">Send</button>
            {' '}<button id="clear" type="button" onClick={clear}>Clear</button>
            {' '}<button id="keep" type="button" onClick={() => void publish('settings/text', text, { qos: 1, retain: true })}>Keep</button>
        </form>
        <ul id="messages">{messages.map((it, index) => <li key={index}>{it.text()}</li>)}</ul>
        <p>Kept: <output id="kept">{retained.get('settings/text')?.text()}</output></p>
        <p id="error" role="alert">{error && `${error.code}: ${error.message}`}</p>
        <p>Subscription: <output id="status">{status}</output></p>
    </>;
}

function App() {
    const [isShown, setShown] = useState(true);
    return <>
        <button id="toggle" onClick={() => setShown(!isShown)}>Show or hide</button>
        {isShown && <BusProvider channel="chat"><Chat /></BusProvider>}
    </>;
}

createRoot(document.getElementById('root')!).render(<StrictMode><App /></StrictMode>);

// For tests and the console.
Object.assign(globalThis, { React, createRoot, tabmq });
