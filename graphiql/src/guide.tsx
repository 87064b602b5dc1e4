import { useGraphiQL, useGraphiQLActions, type GraphiQLPlugin } from '@graphiql/react';
import { useEffect, useState } from 'react';
import { EXAMPLES, type Example } from './welcome.js';

function Guide() {
  const { addTab } = useGraphiQLActions();
  const { queryEditor, variableEditor, tabCount } = useGraphiQL((state) => ({
    queryEditor: state.queryEditor,
    variableEditor: state.variableEditor,
    tabCount: state.tabs.length,
  }));
  // A new tab becomes the editor's content one render later, so the text waits for it here.
  const [pending, setPending] = useState<{ example: Example; tabCount: number } | null>(null);
  useEffect(() => {
    if (pending === null || tabCount <= pending.tabCount) return;
    queryEditor?.setValue(pending.example.query);
    variableEditor?.setValue(pending.example.variables ? JSON.stringify(pending.example.variables, null, 2) : '');
    setPending(null);
  }, [pending, tabCount, queryEditor, variableEditor]);

  return (
    <section className="guide">
      <h2>Start here</h2>
      <p>
        The service carries a model through its whole life: experiment → training → evaluation → registry → deployment → monitoring →
        retraining. Open an operation, read it, run it with <kbd>Ctrl</kbd>-<kbd>Enter</kbd>.
      </p>
      <ol>
        {EXAMPLES.map((example) => (
          <li key={example.title}>
            <button
              type="button"
              onClick={() => {
                setPending({ example, tabCount });
                addTab();
              }}
            >
              <b>{example.title}</b>
              <span>{example.why}</span>
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}

function GuideIcon() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.6" strokeLinecap="round" strokeLinejoin="round">
      <path d="M5 4v17M5 5c4-3 8 3 14 0v9c-6 3-10-3-14 0" />
    </svg>
  );
}

export const guide: GraphiQLPlugin = { title: 'Start here', icon: GuideIcon, content: Guide };
