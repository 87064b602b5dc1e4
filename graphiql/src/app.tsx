import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { useMemo, useState } from 'react';
import { createFetcher } from './fetcher.js';
import { guide } from './guide.js';
import { Messages } from './messages.js';
import { loadToken, saveToken } from './token.js';
import { TokenBar } from './token-bar.js';
import { EXAMPLES, GREETING } from './welcome.js';

const OPENING_TABS = EXAMPLES.slice(0, 3).map(({ query, variables }, index) => ({
  query: index === 0 ? `${GREETING}\n${query}` : query,
  variables: variables ? JSON.stringify(variables, null, 2) : null,
}));

const plugins = [HISTORY_PLUGIN, guide];

export function App() {
  const [token, setToken] = useState(loadToken);
  const fetcher = useMemo(() => createFetcher(token), [token]);
  function changeToken(next: string) {
    saveToken(next);
    setToken(next);
  }
  return (
    <>
      <TokenBar token={token} onToken={changeToken} />
      <main>
        <GraphiQL fetcher={fetcher} plugins={plugins} visiblePlugin={guide} defaultTabs={OPENING_TABS} isHeadersEditorEnabled={false}>
          <GraphiQL.Logo>
            <span />
          </GraphiQL.Logo>
          <GraphiQL.Footer>
            <Messages />
          </GraphiQL.Footer>
        </GraphiQL>
      </main>
    </>
  );
}
