import { useGraphiQL, useGraphiQLActions, type GraphiQLPlugin } from '@graphiql/react';
import { useEffect, useState } from 'react';
import quickstart from '../../docs/quickstart.md?raw';
import { knownIds, uploadFile } from './fetcher.js';
import { fillIds, stepsOf, type Step } from './steps.js';
import { loadToken } from './token.js';
import { EXAMPLES } from './welcome.js';

interface Card {
  title: string;
  about: string;
  query: string;
  /** JSON. */
  variables: string;
}

const FILES: Record<string, string> = import.meta.glob('../../schema/operations/*.graphql', {
  query: '?raw',
  import: 'default',
  eager: true,
});

const OPERATION = /^(query|mutation|subscription)\s+(\w+)/m;

const SHARED: Card[] = Object.values(FILES).map((query) => {
  const [, kind = '', name = ''] = OPERATION.exec(query) ?? [];
  return { title: name, about: `${kind}, from the documents`, query, variables: '' };
});

const LOOKING_AROUND: Card[] = EXAMPLES.map(({ title, why, query, variables }) => ({
  title,
  about: why,
  query,
  variables: variables ? JSON.stringify(variables, null, 2) : '',
}));

const QUICKSTART = stepsOf(quickstart).filter(({ section }) => !section.startsWith('1.'));

/** `**bold**`, `code` and [links](x) as plain text. */
const plain = (markdown: string): string =>
  markdown.replaceAll(/\*\*|`/g, '').replaceAll(/\[([^\]]+)\]\([^)]*\)/g, '$1');

function cardOf({ section, about, text, variables }: Step): Card {
  const name = OPERATION.exec(text)?.[2] ?? section;
  return {
    title: name.replaceAll(/(?<!^)([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`),
    about: plain(about),
    query: text,
    variables,
  };
}

function Guide() {
  const { addTab } = useGraphiQLActions();
  const { queryEditor, variableEditor, tabCount } = useGraphiQL((state) => ({
    queryEditor: state.queryEditor,
    variableEditor: state.variableEditor,
    tabCount: state.tabs.length,
  }));
  const [wanted, setWanted] = useState('');
  // A new tab becomes the content of the editor one render later, so the text waits here.
  const [pending, setPending] = useState<{ card: Card; tabCount: number } | null>(null);
  useEffect(() => {
    if (pending === null || tabCount <= pending.tabCount) return;
    queryEditor?.setValue(pending.card.query);
    variableEditor?.setValue(fillIds(pending.card.variables, knownIds));
    setPending(null);
  }, [pending, tabCount, queryEditor, variableEditor]);
  const open = (card: Card): void => {
    setPending({ card, tabCount });
    addTab();
  };

  return (
    <section className="guide">
      <h2>Start here</h2>
      <p>
        The service carries a model through its whole life: experiment → training → evaluation → registry → deployment →
        monitoring → retraining. Open an operation, read it, run it with <kbd>Ctrl</kbd>-<kbd>Enter</kbd>.
      </p>
      <input
        type="search"
        aria-label="Search the operations"
        placeholder={`Search ${SHARED.length} operations, such as “batch” or “alias”`}
        value={wanted}
        onChange={(event) => setWanted(event.target.value)}
      />
      {wanted.trim() === '' ? <Chapters open={open} /> : <Found wanted={wanted} open={open} />}
    </section>
  );
}

function Chapters({ open }: { open: (card: Card) => void }) {
  return (
    <>
      <h3>Quickstart: from data to a prediction</h3>
      <p>In this order. Ids of earlier answers are put in for you.</p>
      {[...Map.groupBy(QUICKSTART, ({ section }) => section)].map(([section, steps]) => (
        <div key={section}>
          <h4>{section}</h4>
          <ol>
            {steps.map((step) =>
              step.language === 'graphql' ? (
                <CardButton key={step.text + step.variables} card={cardOf(step)} open={open} />
              ) : (
                <UploadCard key={step.text} step={step} />
              ),
            )}
          </ol>
        </div>
      ))}
      <h3>Look around</h3>
      <ol>
        {LOOKING_AROUND.map((card) => (
          <CardButton key={card.title} card={card} open={open} />
        ))}
      </ol>
    </>
  );
}

function Found({ wanted, open }: { wanted: string; open: (card: Card) => void }) {
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const found = [...LOOKING_AROUND, ...SHARED].filter(({ title, about, query }) => {
    const text = `${title} ${about} ${query}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  if (found.length === 0)
    return <p role="status">No operation has “{wanted}”. The book on the left searches the whole schema.</p>;
  return (
    <ol>
      {found.map((card) => (
        <CardButton key={card.title} card={card} open={open} />
      ))}
    </ol>
  );
}

function CardButton({ card, open }: { card: Card; open: (card: Card) => void }) {
  return (
    <li>
      <button type="button" onClick={() => open(card)}>
        <b>{card.title}</b>
        {card.about !== '' && <span>{card.about}</span>}
      </button>
    </li>
  );
}

/** A file is sent by plain HTTP: from this page, or with the command of the quickstart. */
function UploadCard({ step }: { step: Step }) {
  const [state, setState] = useState('');
  async function send(file: File | undefined): Promise<void> {
    if (!file) return;
    setState(`Sending ${file.name} …`);
    try {
      await uploadFile(loadToken(), file);
      setState(`${file.name} is there; its id stands in the next operation.`);
    } catch (error) {
      setState(error instanceof Error ? error.message : String(error));
    }
  }
  return (
    <li className="upload">
      <label>
        <b>Upload a file</b>
        <input type="file" onChange={(event) => void send(event.target.files?.[0])} />
      </label>
      {state !== '' && <span role="status">{state}</span>}
      <details>
        <summary>or by curl</summary>
        <pre>{step.text}</pre>
      </details>
    </li>
  );
}

function GuideIcon() {
  return (
    <svg
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.6"
      strokeLinecap="round"
      strokeLinejoin="round"
    >
      <path d="M5 4v17M5 5c4-3 8 3 14 0v9c-6 3-10-3-14 0" />
    </svg>
  );
}

export const guide: GraphiQLPlugin = { title: 'Start here', icon: GuideIcon, content: Guide };
