import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { useEffect, useMemo, useState } from 'react';
import { createFetcher } from './fetcher.js';
import { guide } from './guide.js';
import { Linked } from './linked.js';
import { Messages } from './messages.js';
import { linkedExample } from './mlflow-link.js';
import { loadToken, saveToken, shareToken } from './token.js';
import { TokenBar } from './token-bar.js';
import { EXAMPLES, GREETING, type Example } from './welcome.js';

const tabOf = ({ query, variables }: Example) => ({
  query,
  variables: variables ? JSON.stringify(variables, null, 2) : null,
});

const linked = linkedExample(location.hash);
// A link that is followed on this page changes only its fragment.
addEventListener('hashchange', () => linkedExample(location.hash) && location.reload());

const OPENING_TABS = [
  ...(linked ? [tabOf(linked)] : []),
  ...EXAMPLES.slice(0, 3).map((example, index) =>
    tabOf(index === 0 ? { ...example, query: `${GREETING}\n${example.query}` } : example),
  ),
];
/** In addition to the tabs that the browser has stored. */
const LINKED_TAB = linked && { initialQuery: tabOf(linked).query, initialVariables: tabOf(linked).variables ?? '' };

const plugins = [HISTORY_PLUGIN, guide];

export function App() {
  const [token, setToken] = useState(loadToken);
  const fetcher = useMemo(() => createFetcher(token), [token]);
  useEffect(() => shareToken(token, setToken), [token]);
  function changeToken(next: string) {
    saveToken(next);
    setToken(next);
  }
  return (
    <>
      <TokenBar token={token} onToken={changeToken} />
      <main>
        <GraphiQL
          fetcher={fetcher}
          plugins={plugins}
          visiblePlugin={guide}
          defaultTabs={OPENING_TABS}
          isHeadersEditorEnabled={false}
          {...LINKED_TAB}
        >
          <GraphiQL.Logo>
            <span />
          </GraphiQL.Logo>
          <GraphiQL.Footer>
            <Messages />
            {linked && <Linked example={linked} token={token} />}
          </GraphiQL.Footer>
        </GraphiQL>
      </main>
    </>
  );
}
